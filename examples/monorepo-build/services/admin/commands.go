package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"example.com/monorepo/shared/models"
)

// command is one thing that admin can do.
type command struct {
	name    string // one word, or two
	summary string
	// define adds the flags of the command and returns what runs it.
	define func(*flag.FlagSet) func(context.Context, Backend, printer) error
}

// commands returns all commands, in the order in which help shows them.
func commands() []command {
	return []command{
		{"users list", "list users", usersList},
		{"users add", "add a user", usersAdd},
		{"orders report", "sum up orders", ordersReport},
		{"jobs list", "list jobs", jobsList},
		{"jobs add", "add a job", jobsAdd},
		{"health", "say whether all is well", health},
	}
}

// listCommands says what admin can do.
func listCommands(w io.Writer) {
	fmt.Fprintln(w, "Commands (-h after one of them shows its flags):")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-14s %s\n", c.name, c.summary)
	}
}

func usersList(flags *flag.FlagSet) func(context.Context, Backend, printer) error {
	role := flags.String("role", "", "only users in this `role`")
	return func(ctx context.Context, backend Backend, out printer) error {
		users, err := backend.Users(ctx)
		if err != nil {
			return err
		}
		chosen := make([]models.User, 0, len(users))
		for _, u := range users {
			if *role == "" || string(u.Role) == *role {
				chosen = append(chosen, u)
			}
		}
		return out.users(chosen)
	}
}

func usersAdd(flags *flag.FlagSet) func(context.Context, Backend, printer) error {
	var user NewUser
	flags.StringVar(&user.Name, "name", "", "full `name`")
	flags.StringVar(&user.Email, "email", "", "mail `address`")
	role := flags.String("role", string(models.RoleCustomer), "`role`: customer, support or admin")
	return func(ctx context.Context, backend Backend, out printer) error {
		user.Role = models.Role(*role)
		added, err := backend.AddUser(ctx, user)
		if err != nil {
			return err
		}
		return out.users([]models.User{added})
	}
}

func ordersReport(flags *flag.FlagSet) func(context.Context, Backend, printer) error {
	by := flags.String("by", "status", "`group` by status or user")
	return func(ctx context.Context, backend Backend, out printer) error {
		groupOf := byStatus
		switch *by {
		case "status":
		case "user":
			users, err := backend.Users(ctx)
			if err != nil {
				return err
			}
			groupOf = byUser(users)
		default:
			return &usageError{fmt.Sprintf("-by %s: want status or user", *by)}
		}
		orders, err := backend.Orders(ctx)
		if err != nil {
			return err
		}
		rows, err := reportOrders(orders, groupOf)
		if err != nil {
			return err
		}
		return out.report(*by, rows)
	}
}

func jobsList(flags *flag.FlagSet) func(context.Context, Backend, printer) error {
	state := flags.String("state", "", "only jobs in this `state`")
	return func(ctx context.Context, backend Backend, out printer) error {
		wanted := models.JobState(*state)
		if wanted != "" && !wanted.Valid() {
			return &usageError{fmt.Sprintf("-state %s: want queued, running, done or failed", wanted)}
		}
		jobs, err := backend.Jobs(ctx, wanted)
		if err != nil {
			return err
		}
		return out.jobs(jobs)
	}
}

func jobsAdd(flags *flag.FlagSet) func(context.Context, Backend, printer) error {
	var job NewJob
	flags.StringVar(&job.Kind, "kind", "", "`kind` of job")
	flags.Func("payload", "what the job is about, as `JSON`", func(text string) error {
		job.Payload = json.RawMessage(text)
		return json.Unmarshal(job.Payload, new(any))
	})
	flags.IntVar(&job.MaxAttempts, "attempts", models.DefaultMaxAttempts, "how often to try")
	return func(ctx context.Context, backend Backend, out printer) error {
		added, err := backend.AddJob(ctx, job)
		if err != nil {
			return err
		}
		return out.jobs([]models.Job{added})
	}
}

func health(*flag.FlagSet) func(context.Context, Backend, printer) error {
	return func(ctx context.Context, backend Backend, out printer) error {
		health, err := backend.Health(ctx)
		if err != nil {
			return err
		}
		return out.health(health)
	}
}
