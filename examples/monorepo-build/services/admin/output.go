package main

import (
	"encoding/json"
	"io"
	"sort"
	"strconv"
	"strings"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// printer shows what a command found, as a table or as JSON.
type printer struct {
	w    io.Writer
	json bool
}

// print writes the value as JSON, or else the table that toTable makes of it.
func (p printer) print(value any, toTable func() *utils.Table) error {
	if p.json {
		encoder := json.NewEncoder(p.w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(value)
	}
	_, err := toTable().WriteTo(p.w)
	return err
}

func (p printer) users(users []models.User) error {
	return p.print(users, func() *utils.Table {
		table := utils.NewTable("ID", "NAME", "EMAIL", "ROLE", "SINCE")
		for _, u := range users {
			table.Row(u.ID, u.Name, u.Email, string(u.Role), day(u.CreatedAt))
		}
		return table
	})
}

func (p printer) jobs(jobs []models.Job) error {
	if jobs == nil {
		jobs = []models.Job{} // in JSON, none is [] and not null
	}
	return p.print(jobs, func() *utils.Table {
		table := utils.NewTable("ID", "KIND", "STATE", "ATTEMPTS>", "OUTCOME")
		for _, j := range jobs {
			outcome := j.Result
			if j.LastError != "" {
				outcome = "error: " + j.LastError
			}
			table.Row(j.ID, j.Kind, string(j.State), strconv.Itoa(j.Attempts)+"/"+strconv.Itoa(j.MaxAttempts), shorten(outcome))
		}
		return table
	})
}

func (p printer) report(title string, rows []ReportRow) error {
	return p.print(rows, func() *utils.Table {
		table := utils.NewTable(strings.ToUpper(title), "ORDERS>", "ITEMS>", "TOTAL>")
		for _, row := range rows {
			table.Row(row.Group, strconv.Itoa(row.Orders), strconv.FormatInt(row.Items, 10), row.Total.String())
		}
		return table
	})
}

func (p printer) health(health Health) error {
	return p.print(health, func() *utils.Table {
		table := utils.NewTable("WHAT", "VALUE>")
		table.Row("status", health.Status)
		if health.Uptime != "" {
			table.Row("uptime", health.Uptime)
		}
		table.Row("users", strconv.Itoa(health.Users))
		table.Row("orders", strconv.Itoa(health.Orders))
		states := make([]string, 0, len(health.Jobs))
		for state := range health.Jobs {
			states = append(states, string(state))
		}
		sort.Strings(states)
		for _, state := range states {
			table.Row("jobs "+state, strconv.Itoa(health.Jobs[models.JobState(state)]))
		}
		return table
	})
}

func day(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02")
}

// shorten keeps a cell to one line of reasonable width.
func shorten(s string) string {
	const most = 60
	runes := []rune(strings.Join(strings.Fields(s), " "))
	if len(runes) <= most {
		return string(runes)
	}
	return string(runes[:most-1]) + "…"
}
