// Command worker does jobs: those that it reads, one in a line, or those that it
// claims from the api.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"example.com/monorepo/shared/utils"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	std := streams{os.Stdin, os.Stdout, os.Stderr}
	err := run(ctx, os.Args[1:], os.LookupEnv, std)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "worker:", err)
		stop()
		os.Exit(1)
	}
}

// streams are the standard streams of the program.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// settings is what flags and environment say.
type settings struct {
	in       string
	api      string
	name     string
	summary  string
	workers  int
	drain    bool
	retry    utils.Backoff
	poll     time.Duration
	timeout  time.Duration
	grace    time.Duration
	logLevel utils.Level
}

// readSettings reads the flags, whose defaults come from the environment.
func readSettings(args []string, lookup func(string) (string, bool), stderr io.Writer) (settings, error) {
	var s settings
	env := utils.NewEnv("WORKER_", lookup)
	flags := flag.NewFlagSet("worker", flag.ContinueOnError)
	flags.StringVar(&s.in, "in", "-", "`file` with a job in each line; - is standard input")
	flags.StringVar(&s.api, "api", env.String("API", ""), "`URL` of the api to claim jobs from, instead of -in")
	flags.BoolVar(&s.drain, "drain", false, "with -api: end when there is no job left to claim")
	flags.StringVar(&s.name, "name", env.String("NAME", "worker"), "name under which jobs are claimed")
	flags.IntVar(&s.workers, "workers", env.Int("WORKERS", 4), "how many jobs to do at a time")
	flags.IntVar(&s.retry.Attempts, "attempts", env.Int("ATTEMPTS", 3), "how often to try before a job is handed back as failed")
	flags.DurationVar(&s.retry.Base, "backoff", env.Duration("BACKOFF", 100*time.Millisecond), "how long to wait after the first attempt; doubles each time")
	flags.DurationVar(&s.poll, "poll", env.Duration("POLL", time.Second), "with -api: how long to wait when there is no job")
	flags.DurationVar(&s.timeout, "timeout", env.Duration("TIMEOUT", 10*time.Second), "with -api: how long a request may take")
	flags.DurationVar(&s.grace, "grace", env.Duration("GRACE", 5*time.Second), "how long jobs may take to end at a stop")
	flags.StringVar(&s.summary, "summary", "table", "what to write to standard error at the end: table, json or none")
	s.logLevel = env.Level("LOG_LEVEL", utils.Warn)
	s.retry.Max = time.Minute
	if err := env.Err(); err != nil {
		return s, err
	}
	if err := utils.ParseFlags(flags, args, stderr); err != nil {
		return s, err
	}
	return s, s.check(flags.Args())
}

// check finds the mistakes that flags cannot.
func (s settings) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q", rest[0])
	case s.workers < 1:
		return errors.New("-workers must be above zero")
	case s.retry.Attempts < 1:
		return errors.New("-attempts must be above zero")
	case s.summary != "table" && s.summary != "json" && s.summary != "none":
		return fmt.Errorf("-summary %s: want table, json or none", s.summary)
	}
	return nil
}

// run does jobs until there are no more or ctx is done.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), std streams) error {
	settings, err := readSettings(args, lookup, std.err)
	if err != nil {
		return err
	}
	log := utils.NewLogger(std.err, settings.logLevel).With("service", "worker")
	source, closeSource, err := openSource(settings, std, log)
	if err != nil {
		return err
	}
	defer closeSource()
	metrics := NewMetrics()
	pool := &Pool{
		Source:    source,
		Processor: NewProcessor(defaultHandlers(), settings.retry, metrics, log),
		Workers:   settings.workers,
		Grace:     settings.grace,
		Log:       log,
	}
	err = pool.Run(ctx)
	if summaryErr := writeSummary(std.err, settings.summary, metrics.Summary()); err == nil {
		err = summaryErr
	}
	return err
}

// openSource returns the source that the settings ask for, and what closes it.
func openSource(s settings, std streams, log *utils.Logger) (Source, func(), error) {
	nothing := func() {}
	if s.api != "" {
		client, err := utils.NewClient(s.api, s.timeout, s.retry)
		if err != nil {
			return nil, nil, err
		}
		return &APISource{client, s.name, s.poll, s.drain, s.retry, log}, nothing, nil
	}
	if s.in == "-" {
		return NewLineSource(std.in, std.out), nothing, nil
	}
	file, err := os.Open(s.in)
	if err != nil {
		return nil, nil, err
	}
	return NewLineSource(file, std.out), func() { file.Close() }, nil
}

func writeSummary(w io.Writer, form string, summary []KindMetrics) error {
	switch form {
	case "json":
		return json.NewEncoder(w).Encode(summary)
	case "table":
		_, err := summaryTable(summary).WriteTo(w)
		return err
	default:
		return nil
	}
}
