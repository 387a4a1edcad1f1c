package server

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"time"
	"unicode/utf8"

	"github.com/seed-473295a7/vitrine/internal/engine"
	"github.com/seed-473295a7/vitrine/internal/recsys"
)

// A page token is unpadded base64url of
//
//	version (1 byte) ‖ query (8 bytes) ‖ place ‖ CRC-32C of all before (4 bytes, big endian)
//
// where query is the start of a SHA-256 of the call's name and of what the list is of, so that a
// token works only for the list it came from. It is opaque, not secret.
const (
	tokenVersion   = 1
	tokenQueryLen  = 8
	tokenChecksum  = 4
	maxItemIDBytes = 256
)

// listName identifies a list.
func listName(parts ...string) [tokenQueryLen]byte {
	hash := sha256.New()
	for _, part := range parts {
		var size [8]byte
		binary.BigEndian.PutUint64(size[:], uint64(len(part)))
		hash.Write(size[:])
		hash.Write([]byte(part))
	}
	return [tokenQueryLen]byte(hash.Sum(nil))
}

func writeToken(list [tokenQueryLen]byte, place []byte) string {
	b := append([]byte{tokenVersion}, list[:]...)
	b = append(b, place...)
	b = binary.BigEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	return base64.RawURLEncoding.EncodeToString(b)
}

// readToken returns the place; a FieldError on page_token if the token was not made by
// writeToken for this list.
func readToken(list [tokenQueryLen]byte, token string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < 1+tokenQueryLen+tokenChecksum {
		return nil, badToken()
	}
	body, sum := b[:len(b)-tokenChecksum], b[len(b)-tokenChecksum:]
	if crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)) != binary.BigEndian.Uint32(sum) || body[0] != tokenVersion {
		return nil, badToken()
	}
	if !bytes.Equal(body[1:1+tokenQueryLen], list[:]) {
		return nil, recsys.Invalid("page_token", "belongs to another list; ask for the first page of this one without a token")
	}
	return body[1+tokenQueryLen:], nil
}

func badToken() error {
	return recsys.Invalid("page_token", "is no next_page_token of this server; ask for the first page without a token")
}

// itemsAfter reads the place in a list of items: the id that the page before ended with.
func itemsAfter(list [tokenQueryLen]byte, token string) (string, error) {
	if token == "" {
		return "", nil
	}
	place, err := readToken(list, token)
	if err != nil {
		return "", err
	}
	if len(place) == 0 || len(place) > maxItemIDBytes || !utf8.Valid(place) || bytes.IndexByte(place, 0) >= 0 {
		return "", badToken()
	}
	return string(place), nil
}

// interactionsAfter reads the place in a list of interactions: event time in nanoseconds since
// 1970 and id, both big endian.
func interactionsAfter(list [tokenQueryLen]byte, token string) (engine.InteractionCursor, error) {
	if token == "" {
		return engine.InteractionCursor{}, nil
	}
	place, err := readToken(list, token)
	if err != nil {
		return engine.InteractionCursor{}, err
	}
	if len(place) != 16 {
		return engine.InteractionCursor{}, badToken()
	}
	cursor := engine.InteractionCursor{
		EventTime: time.Unix(0, int64(binary.BigEndian.Uint64(place))).UTC(),
		ID:        int64(binary.BigEndian.Uint64(place[8:])),
	}
	if cursor.ID <= 0 {
		return engine.InteractionCursor{}, badToken()
	}
	return cursor, nil
}

func interactionToken(list [tokenQueryLen]byte, last engine.ListedInteraction) string {
	place := binary.BigEndian.AppendUint64(nil, uint64(last.EventTime.UnixNano()))
	return writeToken(list, binary.BigEndian.AppendUint64(place, uint64(last.ID)))
}
