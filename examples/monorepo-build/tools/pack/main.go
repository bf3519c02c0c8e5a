// Command pack puts files into a tar archive whose bytes depend on nothing but
// their names and contents: not on the order of the arguments, nor on times,
// owners, permissions or the directories that the files come from.
//
//	pack -o release.tar out/api out/worker out/admin
package main

import (
	"archive/tar"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"time"
)

func main() {
	output := flag.String("o", "", "`file` to write")
	flag.Parse()
	if err := run(*output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

// run writes the archive. It leaves no file behind if it fails.
func run(output string, files []string) error {
	if output == "" || len(files) == 0 {
		return errors.New("want -o FILE and the files to pack")
	}
	archive, err := os.Create(output)
	if err != nil {
		return err
	}
	err = pack(archive, files)
	if closeErr := archive.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		os.Remove(output)
	}
	return err
}

// pack writes an archive of the files, each under the last part of its path.
func pack(w io.Writer, files []string) error {
	byName := make(map[string]string, len(files))
	names := make([]string, 0, len(files))
	for _, path := range files {
		name := filepath.Base(path)
		if other, taken := byName[name]; taken {
			return fmt.Errorf("%s and %s have the same name", other, path)
		}
		byName[name] = path
		names = append(names, name)
	}
	sort.Strings(names)
	archive := tar.NewWriter(w)
	for _, name := range names {
		if err := add(archive, name, byName[name]); err != nil {
			return err
		}
	}
	return archive.Close()
}

// add copies one file into the archive, as an executable.
func add(archive *tar.Writer, name, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	err = archive.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg,
		Name:     name,
		Size:     info.Size(),
		Mode:     0o755,
		ModTime:  time.Unix(0, 0),
		Format:   tar.FormatUSTAR,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
