package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// write makes a file in a directory of its own and returns its path.
func write(t *testing.T, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyNamesAndContentsCount(t *testing.T) {
	api, admin := write(t, "api", "one", 0o755), write(t, "admin", "two", 0o755)
	sameAPI, sameAdmin := write(t, "api", "one", 0o600), write(t, "admin", "two", 0o644)
	long := time.Date(1999, time.December, 31, 0, 0, 0, 0, time.UTC)
	if err := os.Chtimes(sameAPI, long, long); err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	if err := pack(&first, []string{api, admin}); err != nil {
		t.Fatal(err)
	}
	if err := pack(&second, []string{sameAdmin, sameAPI}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the archives differ")
	}
}

func TestWhatIsPackedComesOut(t *testing.T) {
	output := filepath.Join(t.TempDir(), "release.tar")
	files := []string{write(t, "worker", strings.Repeat("long", 1000), 0o755), write(t, "api", "", 0o755)}
	if err := run(output, files); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(output)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	archive := tar.NewReader(file)
	for _, want := range []struct {
		name string
		size int64
	}{{"api", 0}, {"worker", 4000}} {
		header, err := archive.Next()
		if err != nil {
			t.Fatal(err)
		}
		if header.Name != want.name || header.Size != want.size || header.Mode != 0o755 || header.ModTime.Unix() != 0 {
			t.Errorf("entry %+v, want %+v", header, want)
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last entry: %v", err)
	}
}

func TestMistakesLeaveNoArchive(t *testing.T) {
	api := write(t, "api", "one", 0o755)
	for want, files := range map[string][]string{
		"want -o FILE":       nil,
		"have the same name": {api, write(t, "api", "two", 0o755)},
		"no-such-file":       {api, "no-such-file"},
		"is not a file":      {t.TempDir()},
	} {
		output := filepath.Join(t.TempDir(), "release.tar")
		if err := run(output, files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
		if _, err := os.Stat(output); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: an archive was left", want)
		}
	}
}
