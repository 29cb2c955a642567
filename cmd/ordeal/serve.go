package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ordeal-dev/ordeal/serve"
	"github.com/ordeal-dev/ordeal/store"
)

type serveFlags struct {
	listen string
	hosts  []string
	quiet  bool
}

func serveCommand() *cobra.Command {
	f := &serveFlags{}
	cmd := &cobra.Command{
		Use:   "serve [DIR]",
		Short: "Show results in a browser: all runs, campaigns, and what goes on now",
		Long: `serve answers browsers with what is in a folder of results (results if none is named): every run with its page and its
files, a run that is under way as it goes on, campaigns and comparisons of them. It only reads, and nothing outside the
folder can be reached. It listens on this machine alone unless --listen says otherwise; there is no password, so give it an
address that others reach only where all who reach it may read the results.

It goes on until it is interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			folder := store.DefaultRoot
			if len(args) > 0 {
				folder = args[0]
			}
			return f.run(cmd.Context(), cmd.OutOrStdout(), folder)
		},
	}
	cmd.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8217", "address and port to listen on; port 0 takes a free one")
	cmd.Flags().StringArrayVar(&f.hosts, "host", nil, "name that browsers may call this server by, beside its address and localhost; may be repeated")
	cmd.Flags().BoolVar(&f.quiet, "quiet", false, "do not say where it listens")
	return cmd
}

// shutdownTime is how long answers under way are waited for at the end.
const shutdownTime = 5 * time.Second

func (f *serveFlags) run(ctx context.Context, w io.Writer, folder string) error {
	host, _, err := net.SplitHostPort(f.listen)
	if err != nil {
		return badArgument("--listen %q: want an address and a port, such as 127.0.0.1:8217: %w", f.listen, err)
	}
	s, err := serve.New(folder, append(f.hosts, host)...)
	if err != nil {
		return badArgument("%w", err)
	}
	defer s.Close()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", f.listen)
	if errors.Is(err, syscall.EADDRINUSE) {
		return badArgument("--listen %s: something listens there already, perhaps another `ordeal serve`: end it, or choose another port (0 takes a free one)", f.listen)
	}
	if err != nil {
		return badArgument("--listen %s: %w; want an address of this machine and a port", f.listen, err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 10 * time.Second, MaxHeaderBytes: 64 << 10}
	if !f.quiet {
		fmt.Fprintf(w, "%s is shown at http://%s/ until this is interrupted\n", folder, listener.Addr())
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return failure{exitFailed, err}
	case <-ctx.Done():
	}
	s.EndStreams()
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	if err := server.Shutdown(bounded); err != nil {
		_ = server.Close() // those that would not end
	}
	return nil
}
