package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// Handler does the work of one kind of job. An error is taken for a passing
// one unless it is marked with utils.Permanent.
type Handler func(ctx context.Context, payload []byte) (result string, err error)

// defaultHandlers returns the kinds of job that there are.
func defaultHandlers() map[string]Handler {
	return map[string]Handler{
		"checksum": typed(checksum),
		"invoice":  typed(invoice),
		"pause":    typed(pause),
		"split":    typed(split),
	}
}

// typed makes a Handler of a function that takes its payload decoded.
func typed[T any](f func(context.Context, T) (string, error)) Handler {
	return func(ctx context.Context, payload []byte) (string, error) {
		var decoded T
		if err := utils.ReadJSON(bytes.NewReader(payload), &decoded); err != nil {
			return "", utils.Permanent(fmt.Errorf("payload: %w", err))
		}
		return f(ctx, decoded)
	}
}

type checksumPayload struct {
	Text string `json:"text"`
}

// checksum names a text by its digest.
func checksum(_ context.Context, p checksumPayload) (string, error) {
	return fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(p.Text))), nil
}

// invoice says what an order costs.
func invoice(_ context.Context, order models.Order) (string, error) {
	if err := order.Validate(); err != nil {
		return "", utils.Permanent(err)
	}
	total, err := order.Total()
	if err != nil {
		return "", utils.Permanent(err)
	}
	return fmt.Sprintf("%s: %s for %s", order.ID, total, order.UserID), nil
}

type splitPayload struct {
	Amount models.Money `json:"amount"`
	Parts  int          `json:"parts"`
}

// split shares out an amount.
func split(_ context.Context, p splitPayload) (string, error) {
	const most = 1000
	if p.Parts < 1 || p.Parts > most {
		return "", utils.Permanent(fmt.Errorf("cannot split into %d parts", p.Parts))
	}
	parts := make([]string, p.Parts)
	for i, part := range p.Amount.Split(p.Parts) {
		parts[i] = part.String()
	}
	return strings.Join(parts, ", "), nil
}

type pausePayload struct {
	For string `json:"for"`
}

// pause does nothing for a while.
func pause(ctx context.Context, p pausePayload) (string, error) {
	wait, err := time.ParseDuration(p.For)
	if err != nil {
		return "", utils.Permanent(err)
	}
	if err := utils.Sleep(ctx, wait); err != nil {
		return "", err
	}
	return "waited " + wait.String(), nil
}
