package utils

import (
	"errors"
	"flag"
	"io"
)

// ParseFlags parses args and leaves it to the caller to report a mistake, which
// flags.Parse would write together with all flags there are. What -h asks for is
// written to help, and then flag.ErrHelp returned.
func ParseFlags(flags *flag.FlagSet, args []string, help io.Writer) error {
	flags.Usage = func() {}
	flags.SetOutput(io.Discard)
	err := flags.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(help)
		io.WriteString(help, "Flags of "+flags.Name()+":\n")
		flags.PrintDefaults()
	}
	return err
}
