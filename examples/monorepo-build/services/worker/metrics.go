package main

import (
	"sort"
	"strconv"
	"sync"
	"time"

	"example.com/monorepo/shared/utils"
)

// Metrics counts what was done, by kind of job.
type Metrics struct {
	mu    sync.Mutex
	kinds map[string]*KindMetrics
}

// KindMetrics is what was done of one kind.
type KindMetrics struct {
	Kind    string        `json:"kind"`
	Done    int           `json:"done"`
	Failed  int           `json:"failed"`
	Retries int           `json:"retries"`
	Total   time.Duration `json:"total_ns"`
	Longest time.Duration `json:"longest_ns"`
}

// NewMetrics returns metrics that have seen nothing.
func NewMetrics() *Metrics {
	return &Metrics{kinds: map[string]*KindMetrics{}}
}

// Observe adds one job.
func (m *Metrics) Observe(kind string, attempts int, took time.Duration, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.kinds[kind]
	if k == nil {
		k = &KindMetrics{Kind: kind}
		m.kinds[kind] = k
	}
	if ok {
		k.Done++
	} else {
		k.Failed++
	}
	k.Retries += attempts - 1
	k.Total += took
	if took > k.Longest {
		k.Longest = took
	}
}

// Summary returns what was seen so far, sorted by kind.
func (m *Metrics) Summary() []KindMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	summary := make([]KindMetrics, 0, len(m.kinds))
	for _, k := range m.kinds {
		summary = append(summary, *k)
	}
	sort.Slice(summary, func(i, j int) bool { return summary[i].Kind < summary[j].Kind })
	return summary
}

// summaryTable shows a summary to a person.
func summaryTable(summary []KindMetrics) *utils.Table {
	table := utils.NewTable("KIND", "DONE>", "FAILED>", "RETRIES>", "AVERAGE>", "LONGEST>")
	for _, k := range summary {
		average := k.Total / time.Duration(k.Done+k.Failed)
		table.Row(k.Kind, strconv.Itoa(k.Done), strconv.Itoa(k.Failed), strconv.Itoa(k.Retries),
			average.Round(time.Microsecond).String(), k.Longest.Round(time.Microsecond).String())
	}
	return table
}
