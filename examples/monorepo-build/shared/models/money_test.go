package models

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
)

func TestMoneyText(t *testing.T) {
	for text, want := range map[string]Money{
		"12.34 EUR":                 {1234, "EUR"},
		"0.05 USD":                  {5, "USD"},
		"-0.05 USD":                 {-5, "USD"},
		"700 JPY":                   {700, "JPY"},
		"1.005 KWD":                 {1005, "KWD"},
		"-92233720368547758.08 GBP": {math.MinInt64, "GBP"},
	} {
		got, err := ParseMoney(text)
		if err != nil || got != want {
			t.Errorf("ParseMoney(%q) = %v, %v; want %v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%#v.String() = %q, want %q", got, got.String(), text)
		}
	}
}

func TestParseMoneyRejects(t *testing.T) {
	for _, text := range []string{
		"", "12.34", "12.34 XXX", "12.3 EUR", "12.345 EUR", "12 EUR", "700. JPY", "7.0 JPY", ".50 EUR",
		"+1.00 EUR", "--1.00 EUR", "1e2.00 EUR", "1.00  EUR", "92233720368547758.08 EUR",
	} {
		if got, err := ParseMoney(text); err == nil {
			t.Errorf("ParseMoney(%q) = %v, want an error", text, got)
		}
	}
}

func TestMoneyJSON(t *testing.T) {
	encoded, err := json.Marshal(Money{1050, "CHF"})
	if err != nil || string(encoded) != `"10.50 CHF"` {
		t.Fatalf("Marshal = %s, %v", encoded, err)
	}
	var decoded Money
	if err := json.Unmarshal(encoded, &decoded); err != nil || decoded != (Money{1050, "CHF"}) {
		t.Errorf("Unmarshal = %v, %v", decoded, err)
	}
	if _, err := json.Marshal(Money{1, "XXX"}); err == nil {
		t.Error("an unknown currency was marshalled")
	}
}

func TestMoneyArithmetic(t *testing.T) {
	a := Money{250, "EUR"}
	if sum, err := a.Add(Money{-300, "EUR"}); err != nil || sum != (Money{-50, "EUR"}) {
		t.Errorf("Add = %v, %v", sum, err)
	}
	if _, err := a.Add(Money{1, "USD"}); err == nil {
		t.Error("currencies were mixed")
	}
	if _, err := (Money{math.MaxInt64, "EUR"}).Add(Money{1, "EUR"}); !errors.Is(err, ErrOverflow) {
		t.Errorf("Add beyond the range: %v", err)
	}
	if _, err := (Money{math.MinInt64, "EUR"}).Add(Money{-1, "EUR"}); !errors.Is(err, ErrOverflow) {
		t.Errorf("Add below the range: %v", err)
	}
	if product, err := a.Times(4); err != nil || product != (Money{1000, "EUR"}) {
		t.Errorf("Times = %v, %v", product, err)
	}
	for _, m := range []Money{{math.MaxInt64/2 + 1, "EUR"}, {math.MinInt64/2 - 1, "EUR"}} {
		if _, err := m.Times(2); !errors.Is(err, ErrOverflow) {
			t.Errorf("%v times 2: %v", m, err)
		}
	}
}

func TestSplitLosesNothing(t *testing.T) {
	for _, total := range []int64{0, 1, 100, 101, -100, -101, 5} {
		for n := 1; n <= 7; n++ {
			parts := Money{total, "EUR"}.Split(n)
			var sum int64
			for _, part := range parts {
				sum += part.Minor
				if gap := part.Minor - parts[n-1].Minor; gap < -1 || gap > 1 {
					t.Errorf("%d in %d parts: uneven: %v", total, n, parts)
				}
			}
			if len(parts) != n || sum != total {
				t.Errorf("%d in %d parts: %v", total, n, parts)
			}
		}
	}
	if parts := (Money{1, "EUR"}).Split(0); parts != nil {
		t.Errorf("Split(0) = %v", parts)
	}
}
