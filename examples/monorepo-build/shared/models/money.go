package models

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// ErrOverflow is returned by arithmetic whose result does not fit.
var ErrOverflow = errors.New("amount out of range")

// Currency is an ISO 4217 code.
type Currency string

// decimals holds how many digits follow the point in each known currency.
var decimals = map[Currency]int{"CHF": 2, "EUR": 2, "GBP": 2, "JPY": 0, "KWD": 3, "USD": 2}

// Valid reports whether the currency is one we know.
func (c Currency) Valid() bool {
	_, ok := decimals[c]
	return ok
}

// Money is an amount in the smallest unit of a currency, such as cents.
// It is written "12.34 EUR", in JSON too.
type Money struct {
	Minor    int64
	Currency Currency
}

// ParseMoney reads what String writes.
func ParseMoney(text string) (Money, error) {
	number, code, ok := strings.Cut(text, " ")
	currency := Currency(code)
	if !ok || !currency.Valid() {
		return Money{}, fmt.Errorf("money %q: want an amount and a known currency", text)
	}
	unsigned := strings.TrimPrefix(number, "-")
	whole, fraction, _ := strings.Cut(unsigned, ".")
	want := decimals[currency]
	if whole == "" || len(fraction) != want || strings.HasSuffix(unsigned, ".") || !onlyDigits(whole+fraction) {
		return Money{}, fmt.Errorf("money %q: want digits with %d decimals", text, want)
	}
	minor, err := strconv.ParseInt(strings.Replace(number, ".", "", 1), 10, 64)
	if err != nil {
		return Money{}, fmt.Errorf("money %q: %w", text, ErrOverflow)
	}
	return Money{minor, currency}, nil
}

func (m Money) String() string {
	sign, magnitude := "", uint64(m.Minor)
	if m.Minor < 0 {
		sign, magnitude = "-", -magnitude
	}
	places := decimals[m.Currency]
	digits := fmt.Sprintf("%0*d", places+1, magnitude)
	point := len(digits) - places
	if places > 0 {
		digits = digits[:point] + "." + digits[point:]
	}
	return sign + digits + " " + string(m.Currency)
}

// MarshalText writes the amount as String does; the currency has to be known.
func (m Money) MarshalText() ([]byte, error) {
	if !m.Currency.Valid() {
		return nil, fmt.Errorf("unknown currency %q", m.Currency)
	}
	return []byte(m.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (m *Money) UnmarshalText(text []byte) (err error) {
	*m, err = ParseMoney(string(text))
	return err
}

// Add returns the sum of two amounts of the same currency.
func (m Money) Add(other Money) (Money, error) {
	if m.Currency != other.Currency {
		return Money{}, fmt.Errorf("cannot add %s to %s", other.Currency, m.Currency)
	}
	sum := m.Minor + other.Minor
	if (sum > m.Minor) != (other.Minor > 0) {
		return Money{}, ErrOverflow
	}
	return Money{sum, m.Currency}, nil
}

// Times returns the amount n times, for n not below zero.
func (m Money) Times(n int64) (Money, error) {
	if n < 0 || n > 0 && (m.Minor > math.MaxInt64/n || m.Minor < math.MinInt64/n) {
		return Money{}, ErrOverflow
	}
	return Money{m.Minor * n, m.Currency}, nil
}

// Split divides the amount into n parts that differ by one unit at most and add
// up to the whole; the larger parts come first.
func (m Money) Split(n int) []Money {
	if n <= 0 {
		return nil
	}
	share, rest := m.Minor/int64(n), m.Minor%int64(n)
	step := int64(1)
	if rest < 0 {
		step, rest = -1, -rest
	}
	parts := make([]Money, n)
	for i := range parts {
		parts[i] = Money{share, m.Currency}
		if int64(i) < rest {
			parts[i].Minor += step
		}
	}
	return parts
}

func onlyDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}
