package utils

import (
	"io"
	"strings"
	"unicode/utf8"
)

// Table is text in columns, each as wide as its widest cell. A header that ends
// in ">" aligns its column to the right; the mark itself is not shown.
type Table struct {
	rows  [][]string
	right []bool
}

// NewTable returns a table with the given header cells.
func NewTable(header ...string) *Table {
	t := &Table{right: make([]bool, len(header))}
	cells := make([]string, len(header))
	for i, cell := range header {
		t.right[i] = strings.HasSuffix(cell, ">")
		cells[i] = strings.TrimSuffix(cell, ">")
	}
	t.rows = append(t.rows, cells)
	return t
}

// Row adds a row. Missing cells stay empty, and what goes beyond the header is
// left out.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(t.right))
	copy(row, cells)
	t.rows = append(t.rows, row)
}

// WriteTo writes the table, with two spaces between columns and none at the end
// of a line.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	n, err := io.WriteString(w, t.String())
	return int64(n), err
}

func (t *Table) String() string {
	widths := make([]int, len(t.right))
	for _, row := range t.rows {
		for i, cell := range row {
			if n := utf8.RuneCountInString(cell); n > widths[i] {
				widths[i] = n
			}
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			padding := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if t.right[i] {
				line.WriteString(padding + cell)
			} else {
				line.WriteString(cell + padding)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
