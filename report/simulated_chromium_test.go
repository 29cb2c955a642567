package report_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ordeal-dev/ordeal/report/chromium"
	"github.com/ordeal-dev/ordeal/sim"
	"github.com/ordeal-dev/ordeal/store"
)

// A run that the simulator made, from its report to its messages and back: what is drawn is what happened.
func TestASimulatedRunInTheBrowser(t *testing.T) {
	plan := sim.Usual(3, "register", 3)
	plan.Duration = time.Second
	kept, err := sim.Keep(context.Background(), sim.Options{Plan: plan}, t.TempDir(), store.Test{Name: "simulated"})
	require.NoError(t, err)
	page := chromium.Open(t, "file://"+kept.Run.Path(store.ReportFile))
	require.Equal(t, "n1 n2 n3 true", page.Say(`
await until(() => !document.getElementById('clients').classList.contains('waiting') && document.querySelector('#logs input[type=checkbox]'));
say([...document.querySelectorAll('#logs input[type=checkbox]')].map(c => c.parentElement.textContent.trim()).slice(0, 3).join(' '), document.querySelectorAll('#plots rect.leader').length > 0);`))
	page.Follow(`document.querySelector('nav a[href="` + store.MessagesFile + `"]')`)
	page.Until(`document.getElementById('told') && document.getElementById('told').textContent !== ''`)
	require.Equal(t, strings.TrimSpace(`
lanes n1 n2 n3 client 0
arrows true, leaders true, operations true
explained true`), page.Say(`
const body = document.querySelector('.sequence-body'), drawn = what => body.querySelectorAll(what).length > 0;
say('lanes', [...document.querySelectorAll('.lane-name')].slice(0, 4).map(l => l.textContent).join(' '));
document.getElementById('after').click();
document.getElementById('later').click();
say('arrows ' + drawn('.message .tip') + ', leaders ' + drawn('rect.leader') + ', operations ' + drawn('.call'));
say('explained', [...body.querySelectorAll('.message:not(.lost)')].every(g => /^.+\nfrom n\d to n\d, term \d+\nsent /.test(g.querySelector('title').textContent)));`))
	page.Follow(`document.querySelector('.banner a')`)
	page.Until(`document.getElementById('lanes') && !document.getElementById('clients').classList.contains('waiting')`)
}
