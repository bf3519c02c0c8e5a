package utils

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Level is the weight of a log line.
type Level int

// The levels, in rising order.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

var levelNames = [...]string{"debug", "info", "warn", "error"}

func (l Level) String() string {
	if l < Debug || l > Error {
		return "level" + strconv.Itoa(int(l))
	}
	return levelNames[l]
}

// ParseLevel reads what String writes.
func ParseLevel(name string) (Level, error) {
	for i, known := range levelNames {
		if strings.EqualFold(name, known) {
			return Level(i), nil
		}
	}
	return Info, fmt.Errorf("unknown log level %q", name)
}

// Logger writes lines of key=value pairs, given to its methods as keys and values
// in turn. It may be used by many goroutines.
type Logger struct {
	out    *lockedWriter
	min    Level
	now    func() time.Time
	fields string // what With added, already formatted
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewLogger returns a logger that leaves out what is below min.
func NewLogger(w io.Writer, min Level) *Logger {
	return &Logger{out: &lockedWriter{w: w}, min: min, now: time.Now}
}

// With returns a logger that adds the pairs to each of its lines.
func (l *Logger) With(pairs ...any) *Logger {
	derived := *l
	derived.fields += formatPairs(pairs)
	return &derived
}

// Debug writes a line for those who look for a mistake.
func (l *Logger) Debug(message string, pairs ...any) { l.log(Debug, message, pairs) }

// Info writes a line about normal operation.
func (l *Logger) Info(message string, pairs ...any) { l.log(Info, message, pairs) }

// Warn writes a line about something that was coped with.
func (l *Logger) Warn(message string, pairs ...any) { l.log(Warn, message, pairs) }

// Error writes a line about something that failed.
func (l *Logger) Error(message string, pairs ...any) { l.log(Error, message, pairs) }

func (l *Logger) log(level Level, message string, pairs []any) {
	if level < l.min {
		return
	}
	line := "time=" + l.now().UTC().Format(time.RFC3339) +
		" level=" + level.String() +
		" msg=" + quoteValue(message) + l.fields + formatPairs(pairs) + "\n"
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	io.WriteString(l.out.w, line) // a log that cannot be written is not worth failing for
}

func formatPairs(pairs []any) string {
	var b strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		value := any("missing")
		if i+1 < len(pairs) {
			value = pairs[i+1]
		}
		fmt.Fprintf(&b, " %v=%s", pairs[i], quoteValue(fmt.Sprint(value)))
	}
	return b.String()
}

// quoteValue quotes what would not read as one word.
func quoteValue(s string) string {
	plain := func(r rune) bool { return r > ' ' && r != '"' && r != '=' && strconv.IsPrint(r) }
	if s == "" || strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) >= 0 {
		return strconv.Quote(s)
	}
	return s
}
