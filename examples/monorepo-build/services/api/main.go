// Command api serves users, orders and jobs over HTTP, from memory.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/monorepo/services/api/internal/server"
	"example.com/monorepo/services/api/internal/store"
	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "api:", err)
		stop()
		os.Exit(1)
	}
}

// settings is what flags and environment say.
type settings struct {
	addr     string
	data     string
	grace    time.Duration
	logLevel utils.Level
}

// readSettings reads the flags, whose defaults come from the environment.
func readSettings(args []string, lookup func(string) (string, bool), stderr io.Writer) (settings, error) {
	var s settings
	env := utils.NewEnv("API_", lookup)
	flags := flag.NewFlagSet("api", flag.ContinueOnError)
	flags.StringVar(&s.addr, "addr", env.String("ADDR", "127.0.0.1:8080"), "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&s.data, "data", env.String("DATA", ""), "JSON `file` with the data to begin with")
	flags.DurationVar(&s.grace, "grace", env.Duration("GRACE", 5*time.Second), "how long requests may take to end at a stop")
	s.logLevel = env.Level("LOG_LEVEL", utils.Info)
	if err := env.Err(); err != nil {
		return s, err
	}
	if err := utils.ParseFlags(flags, args, stderr); err != nil {
		return s, err
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	return s, nil
}

// run serves until ctx is done. The first line on stdout is the address.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) error {
	settings, err := readSettings(args, lookup, stderr)
	if err != nil {
		return err
	}
	data, err := loadData(settings.data)
	if err != nil {
		return err
	}
	memory, err := store.NewMemory(data)
	if err != nil {
		return err
	}
	log := utils.NewLogger(stderr, settings.logLevel).With("service", "api")
	listener, err := net.Listen("tcp", settings.addr)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "listening on http://%s\n", listener.Addr())
	return serve(ctx, listener, server.New(memory, log).Handler(), settings.grace, log)
}

// serve answers requests until ctx is done, and then lets those under way end.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, grace time.Duration, log *utils.Logger) error {
	httpServer := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       time.Minute,
	}
	failed := make(chan error, 1)
	go func() { failed <- httpServer.Serve(listener) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	log.Info("stopping", "grace", grace)
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	if err := httpServer.Shutdown(ctx); err != nil {
		return fmt.Errorf("requests were cut off: %w", err)
	}
	log.Info("stopped")
	return nil
}

// loadData reads a data set; without a path there is nothing to begin with.
func loadData(path string) (*models.Dataset, error) {
	if path == "" {
		return &models.Dataset{}, nil
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := models.DecodeDataset(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, nil
}
