package redis

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/systems"
)

type monitor map[string]string

// Monitor implements systems.Deployed.
func (System) Monitor(addresses map[string]string) systems.Monitor { return monitor(addresses) }

// Status asks the node for its role. There are no terms.
func (m monitor) Status(ctx context.Context, node string) (systems.Status, error) {
	conn, err := dial(ctx, m[node])
	if err != nil {
		return systems.Status{}, err
	}
	defer conn.close()
	role, err := conn.do(ctx, "ROLE")
	if err == nil && len(role.array) == 0 {
		err = fmt.Errorf("%s does not tell its role", node)
	}
	return systems.Status{Leads: err == nil && role.array[0].text == "master", Loose: true}, err
}

func (monitor) Close() {}
