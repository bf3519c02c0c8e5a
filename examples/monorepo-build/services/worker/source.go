package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

// Source is where jobs come from and where their outcomes go.
type Source interface {
	// Next waits for a job. It returns io.EOF when there will be no more, and
	// stops waiting when ctx is done.
	Next(ctx context.Context) (models.Job, error)
	// Finish reports what became of a job. It is called by many goroutines.
	Finish(job models.Job, outcome models.Outcome) error
}

// maxLine is the longest line that a LineSource reads.
const maxLine = 1 << 20

// LineSource reads one job from each line and writes one outcome per line, both
// as JSON. Lines that are empty are passed over.
type LineSource struct {
	lines chan line
	mu    sync.Mutex
	out   *json.Encoder
}

type line struct {
	job models.Job
	err error
}

// lineOutcome is what is written for a job.
type lineOutcome struct {
	ID   string `json:"id"`
	Kind string `json:"kind"`
	models.Outcome
}

// NewLineSource begins to read from r, in a goroutine of its own, since a read
// from a terminal or a pipe cannot be interrupted.
func NewLineSource(r io.Reader, w io.Writer) *LineSource {
	s := &LineSource{lines: make(chan line), out: json.NewEncoder(w)}
	go s.read(r)
	return s
}

// Next returns the job of the next line. A line that holds no job is an error,
// and the lines after it are not read.
func (s *LineSource) Next(ctx context.Context) (models.Job, error) {
	select {
	case next, ok := <-s.lines:
		if !ok {
			return models.Job{}, io.EOF
		}
		return next.job, next.err
	case <-ctx.Done():
		return models.Job{}, ctx.Err()
	}
}

// Finish writes the outcome.
func (s *LineSource) Finish(job models.Job, outcome models.Outcome) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Encode(lineOutcome{job.ID, job.Kind, outcome})
}

func (s *LineSource) read(r io.Reader) {
	defer close(s.lines)
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, maxLine)
	number := 0
	for scanner.Scan() {
		number++
		text := bytes.TrimSpace(scanner.Bytes())
		if len(text) == 0 {
			continue
		}
		job, err := parseJob(text, number)
		s.lines <- line{job, err}
		if err != nil {
			return
		}
	}
	if err := scanner.Err(); err != nil {
		s.lines <- line{err: fmt.Errorf("line %d: %w", number+1, err)}
	}
}

// parseJob reads a job; one without an identifier is named after its line.
func parseJob(text []byte, number int) (models.Job, error) {
	var job models.Job
	err := utils.ReadJSON(bytes.NewReader(text), &job)
	if err == nil {
		if job.ID == "" {
			job.ID = fmt.Sprintf("line_%d", number)
		}
		job.Normalize()
		err = job.Validate()
	}
	if err != nil {
		return job, fmt.Errorf("line %d: %w", number, err)
	}
	return job, nil
}
