package ingest

import (
	"encoding/csv"
	"errors"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func readRecords(t *testing.T, content string) []record {
	t.Helper()
	r := newReader(strings.NewReader(content))
	var all []record
	for {
		rec, err := r.next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, rec)
	}
}

func TestReaderKnowsLines(t *testing.T) {
	t.Parallel()
	const stray = "goes on after its closing quote: double quotes inside a quoted field"
	tests := []struct {
		name, content string
		want          []record
	}{
		{"empty", "", nil},
		{"blank lines", "\n\r\n\n", nil},
		{"no end of line", "a,b", []record{{line: 1, end: 1, fields: []string{"a", "b"}}}},
		{"carriage returns", "a,b\r\nc,\r\n", []record{
			{line: 1, end: 1, fields: []string{"a", "b"}},
			{line: 2, end: 2, fields: []string{"c", ""}},
		}},
		{"quoted fields span lines", "a,\"one\r\ntwo\n\nfour\"\n\nb,c\n", []record{
			{line: 1, end: 4, fields: []string{"a", "one\ntwo\n\nfour"}},
			{line: 6, end: 6, fields: []string{"b", "c"}},
		}},
		{"doubled quotes and commas", `"say ""hi"", you",""` + "\n", []record{
			{line: 1, end: 1, fields: []string{`say "hi", you`, ""}},
		}},
		{"a stray quote costs one row", "1,\"open\n2,good\n3,\"fine\"\n4,end\n", []record{
			{line: 1, end: 1, fields: []string{"1"}, problem: stray},
			{line: 2, end: 2, fields: []string{"2", "good"}},
			{line: 3, end: 3, fields: []string{"3", "fine"}},
			{line: 4, end: 4, fields: []string{"4", "end"}},
		}},
		{"never closed", "1,\"open\n2,good\n3,end", []record{
			{line: 1, end: 1, fields: []string{"1"}, problem: "a quoted field is not closed before the end of the file"},
			{line: 2, end: 2, fields: []string{"2", "good"}},
			{line: 3, end: 3, fields: []string{"3", "end"}},
		}},
		{"stray quotes inside lines read ahead", "1,\"a\n2,\"b\n3,\"c\n4,d\n", []record{
			{line: 1, end: 1, fields: []string{"1"}, problem: stray},
			{line: 2, end: 2, fields: []string{"2"}, problem: stray},
			{line: 3, end: 3, fields: []string{"3"}, problem: "a quoted field is not closed before the end of the file"},
			{line: 4, end: 4, fields: []string{"4", "d"}},
		}},
		{"bare quote", "5\" disk,x\ny,z\n", []record{
			{line: 1, end: 1, problem: "holds a quote but is not quoted: wrap it in quotes and double those inside"},
			{line: 2, end: 2, fields: []string{"y", "z"}},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(test.want, readRecords(t, test.content), cmp.AllowUnexported(record{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReaderBoundsARow(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", maxRecord)
	half := strings.Repeat("y", maxRecord/2)
	got := readRecords(t, "1,"+long+"\n2,b\n3,\""+half+"\n"+half+"\",c\n4,d\n")
	var lines []int
	var problems []string
	for _, rec := range got {
		lines, problems = append(lines, rec.line), append(problems, rec.problem)
	}
	// The row on lines 3 and 4 is too long, so line 4 is read on its own: a field with a bare quote.
	want := []string{"is longer than 4 MiB", "", "a quoted field is not closed within 4 MiB",
		"holds a quote but is not quoted: wrap it in quotes and double those inside", ""}
	if diff := cmp.Diff(want, problems); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]int{1, 2, 3, 4, 5}, lines); diff != "" {
		t.Error(diff)
	}
}

type brokenFile struct{ after io.Reader }

func (b brokenFile) Read(p []byte) (int, error) {
	if n, err := b.after.Read(p); err == nil {
		return n, nil
	}
	return 0, errors.New("disk on fire")
}

func TestReaderPassesOnReadErrors(t *testing.T) {
	t.Parallel()
	for _, content := range []string{"", "a,b", "a,\"b\nc"} {
		r := newReader(brokenFile{strings.NewReader(content)})
		if _, err := r.next(); err == nil || err.Error() != "disk on fire" {
			t.Errorf("after %q: error %v", content, err)
		}
	}
}

// FuzzReader holds the reader against encoding/csv: what that reads without a fault, this one
// reads alike; and whatever the bytes, lines only grow and nothing is lost after a fault.
func FuzzReader(f *testing.F) {
	for _, seed := range []string{"a,b\n1,2\n", "\"a\nb\",c\r\n", "a,\"b\nc,d\n\"\"e\",f", "a\"b,c\n", "\xef\xbb\xbfa\n\xff,\"\"\"\"\n", "\r\n\r", "a\r\r\n,"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		got := readRecords(t, string(content))
		before := 0
		for _, rec := range got {
			if rec.line <= before || rec.end < rec.line {
				t.Fatalf("record on lines %d to %d after line %d", rec.line, rec.end, before)
			}
			before = rec.end
		}
		if last := strings.Count(string(content), "\n") + 1; before > last {
			t.Fatalf("record on line %d of %d", before, last)
		}
		reference := csv.NewReader(strings.NewReader(string(content)))
		reference.FieldsPerRecord = -1
		for i := 0; ; i++ {
			want, err := reference.Read()
			if errors.Is(err, io.EOF) {
				if i != len(got) {
					t.Fatalf("%d records, want %d", len(got), i)
				}
				return
			}
			if err != nil || i >= len(got) {
				if err == nil {
					t.Fatalf("%d records, want more", len(got))
				}
				return // they part at the first fault
			}
			line, _ := reference.FieldPos(0)
			if diff := cmp.Diff(record{line: line, end: got[i].end, fields: want}, got[i], cmp.AllowUnexported(record{})); diff != "" {
				t.Fatal(diff)
			}
		}
	})
}

// FuzzItems checks that whatever a file holds, loading it neither panics nor lets a value past the limits.
func FuzzItems(f *testing.F) {
	for _, seed := range []string{
		"item_id,title,year,genres,image,hidden,available_time,expire_time\n1,T,1999,a|b,,no,0,2026-01-01T00:00:00Z\n2,\"x\ny\",,,,1,,\n",
		"item_id,n\n1,1e999\n2,-0\n3,\xff\n", "item_id\n\"\n", "\xef\xbb\xbfitem_id,a\r\n1,|\r\n", "item_id,image\n1,../x\n2,a\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		sink := newFakeSink()
		report, err := Items(t.Context(), ItemSource{Table: text("fuzz.csv", string(content)), ImageFS: noImages(t)}, sink, testConfig())
		if err != nil {
			return
		}
		if report.Rows != report.Loaded+report.Skipped || report.Loaded != report.Created+report.Replaced {
			t.Fatalf("%+v does not add up", report)
		}
		for id, w := range sink.items {
			checkLimits(t, id, w.Item.Title, w.Item.Description)
			for name, a := range w.Item.Attributes {
				checkLimits(t, name)
				checkLimits(t, a.Labels...)
				if a.Number-a.Number != 0 || !utf8.ValidString(a.Text) || len(a.Labels) > maxLabels {
					t.Fatalf("attribute %q is %+v", name, a)
				}
			}
		}
	})
}

func checkLimits(t *testing.T, values ...string) {
	t.Helper()
	for _, v := range values {
		if !utf8.ValidString(v) || strings.Contains(v, "\x00") || len(v) > maxText {
			t.Fatalf("%q was let through", v)
		}
	}
}

// FuzzInteractions does the same for interactions.
func FuzzInteractions(f *testing.F) {
	for _, seed := range []string{
		"user,item,value,timestamp\n1,2,4.0,964980523\n", "visitor,item,type,timestamp\nv,i,like,2020-01-01T00:00:00.5Z\n",
		"user,visitor,item,type,value,timestamp\n,,,RATING,NaN,1e308\na,b,c,VIEW,0,-1\n", "user,item,timestamp\n\"a\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		sink := newFakeSink()
		report, err := Interactions(t.Context(), text("fuzz.csv", string(content)), sink, testConfig())
		if err != nil {
			return
		}
		if report.Rows != report.Loaded+report.Skipped || report.Loaded != int64(len(sink.interactions))+report.Replayed {
			t.Fatalf("%+v does not add up to %d stored", report, len(sink.interactions))
		}
		for request, in := range sink.interactions {
			checkLimits(t, in.Actor.ID, in.ItemID)
			late := in.EventTime.After(testConfig().Now().Add(maxAhead))
			if request.IsZero() || in.Actor.IsZero() || in.ItemID == "" || !(in.Value >= 0 && in.Value <= maxRating) || in.EventTime.Unix() < 0 || late {
				t.Fatalf("%+v was let through", in)
			}
		}
	})
}
