package utils

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/binary"
	"strings"
	"time"
)

const (
	timeBytes   = 6 // milliseconds since 1970: enough for some thousands of years
	randomBytes = 9
)

// idEncoding keeps the order of the bytes that it encodes.
var idEncoding = base32.HexEncoding.WithPadding(base32.NoPadding)

// NewID returns an identifier such as "usr_0p9k…". Identifiers sort by the
// millisecond in which they were made.
func NewID(prefix string) string {
	return newIDAt(prefix, time.Now())
}

func newIDAt(prefix string, now time.Time) string {
	var millis [8]byte
	binary.BigEndian.PutUint64(millis[:], uint64(now.UnixMilli()))
	raw := append(millis[8-timeBytes:], make([]byte, randomBytes)...)
	if _, err := rand.Read(raw[timeBytes:]); err != nil {
		panic("no randomness: " + err.Error()) // the platform is broken
	}
	return prefix + "_" + strings.ToLower(idEncoding.EncodeToString(raw))
}

// ValidID reports whether s looks like an identifier with that prefix.
func ValidID(prefix, s string) bool {
	if !strings.HasPrefix(s, prefix+"_") {
		return false
	}
	raw, err := idEncoding.DecodeString(strings.ToUpper(s[len(prefix)+1:]))
	return err == nil && len(raw) == timeBytes+randomBytes
}
