// Command admin looks after users, orders and jobs, by way of the api or in a
// file.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"time"

	"example.com/monorepo/shared/utils"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// usageError is a mistake in the arguments.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

// run does what the arguments ask for and returns the exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	err := execute(ctx, args, lookup, stdout, stderr)
	var usage *usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "admin: %v\nTry admin -h.\n", err)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "admin: %v\n", err)
		return exitFailed
	}
}

// settings is what flags and environment say.
type settings struct {
	api     string
	file    string
	json    bool
	timeout time.Duration
}

func execute(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) error {
	var s settings
	env := utils.NewEnv("ADMIN_", lookup)
	flags := flag.NewFlagSet("admin", flag.ContinueOnError)
	flags.StringVar(&s.api, "api", env.String("API", "http://127.0.0.1:8080"), "`URL` of the api")
	flags.StringVar(&s.file, "file", env.String("FILE", ""), "work on this JSON `file`, without the api")
	flags.BoolVar(&s.json, "json", false, "print JSON, not tables")
	flags.DurationVar(&s.timeout, "timeout", env.Duration("TIMEOUT", 10*time.Second), "how long a request may take")
	if err := env.Err(); err != nil {
		return err
	}
	if err := parse(flags, args, stderr); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			listCommands(stderr)
		}
		return err
	}
	chosen, rest, err := findCommand(flags.Args())
	if err != nil {
		return err
	}
	commandFlags := flag.NewFlagSet("admin "+chosen.name, flag.ContinueOnError)
	runCommand := chosen.define(commandFlags)
	if err := parse(commandFlags, rest, stderr); err != nil {
		return err
	}
	if commandFlags.NArg() > 0 {
		return &usageError{fmt.Sprintf("unexpected argument %q", commandFlags.Arg(0))}
	}
	backend, err := openBackend(s)
	if err != nil {
		return err
	}
	return runCommand(ctx, backend, printer{stdout, s.json})
}

// parse makes usage errors of what flag finds.
func parse(flags *flag.FlagSet, args []string, help io.Writer) error {
	err := utils.ParseFlags(flags, args, help)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return &usageError{err.Error()}
	}
	return err
}

// findCommand finds the command that the arguments begin with, and returns the
// arguments that follow.
func findCommand(args []string) (command, []string, error) {
	if len(args) == 0 {
		return command{}, nil, &usageError{"no command"}
	}
	for _, c := range commands() {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return c, args[len(words):], nil
		}
	}
	return command{}, nil, &usageError{fmt.Sprintf("unknown command %q", strings.Join(args, " "))}
}

func openBackend(s settings) (Backend, error) {
	if s.file != "" {
		return newFileBackend(s.file), nil
	}
	retry := utils.Backoff{Attempts: 3, Base: 100 * time.Millisecond, Max: time.Second}
	client, err := utils.NewClient(s.api, s.timeout, retry)
	if err != nil {
		return nil, &usageError{"-api: " + err.Error()}
	}
	return apiBackend{client}, nil
}
