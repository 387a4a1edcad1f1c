package ingest

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/seed-473295a7/vitrine/internal/recsys"
)

func TestInteractionsReadsRows(t *testing.T) {
	t.Parallel()
	at := time.Unix(964980523, 0).UTC()
	tests := []struct {
		name, header, row string
		want              recsys.Interaction
	}{
		{"rating", "user,item,value,timestamp", "1,2628,4.5,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2628", Type: recsys.Rating, Value: 4.5, EventTime: at}},
		{"rating of zero", "user,item,value,timestamp", "1,2,0,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.Rating, EventTime: at}},
		{"no value is a view", "user,item,value,timestamp", "1,2, ,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: at}},
		{"no column value is a view", "timestamp,item,user", "964980523,2,1",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: at}},
		{"type in any case", "visitor,item,type,timestamp", "v,2,add_to_cart,964980523",
			recsys.Interaction{Actor: recsys.Visitor("v"), ItemID: "2", Type: recsys.AddToCart, EventTime: at}},
		{"type as the proto has it", "user,item,type,timestamp", "1,2,INTERACTION_TYPE_PURCHASE,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.Purchase, EventTime: at}},
		{"empty type with a value", "user,item,type,value,timestamp", "1,2,,5,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.Rating, Value: 5, EventTime: at}},
		{"zero value of another type", "user,item,type,value,timestamp", "1,2,LIKE,0,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.Like, EventTime: at}},
		{"a visitor beside an empty user", "user,visitor,item,timestamp", ",v,2,964980523",
			recsys.Interaction{Actor: recsys.Visitor("v"), ItemID: "2", Type: recsys.View, EventTime: at}},
		{"fraction of a second", "user,item,timestamp", "1,2,964980523.1234564",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: at.Add(123456 * time.Microsecond)}},
		{"exponent", "user,item,timestamp", "1,2,9.64980523e8",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: at}},
		{"RFC 3339", "user,item,timestamp", "1,2,2000-07-30T20:08:43.5+02:00",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: at.Add(500 * time.Millisecond)}},
		{"the first moment", "user,item,timestamp", "1,2,0",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: time.Unix(0, 0).UTC()}},
		{"the last moment", "user,item,timestamp", "1,2,2026-01-01T00:05:00Z",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.View, EventTime: time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)}},
		{"other columns beside value", "user,item,value,note,timestamp", "1,2,3,hello,964980523",
			recsys.Interaction{Actor: recsys.User("1"), ItemID: "2", Type: recsys.Rating, Value: 3, EventTime: at}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, report := mustInteractions(t, test.header+"\n"+test.row+"\n")
			if diff := cmp.Diff([]recsys.Interaction{test.want}, got); diff != "" {
				t.Error(diff, report.Faults)
			}
		})
	}
}

func TestInteractionsRefusesRows(t *testing.T) {
	t.Parallel()
	const wantTime = ", want a time between 1970 and five minutes from now (Unix seconds, not milliseconds)"
	// Columns: user, visitor, item, type, value, timestamp.
	tests := []struct{ name, row, want string }{
		{"nobody", ",,i,,,1", "user: is empty and so is visitor, want one of the two"},
		{"two actors", "u,v,i,,,1", "visitor: is set beside user, want one of the two"},
		{"long user", strings.Repeat("u", 257) + ",,i,,,1", "user: has 257 bytes, want 1 to 256"},
		{"bad visitor", ",v\xff,i,,,1", "visitor: is not valid UTF-8"},
		{"no item", "u,,,,,1", "item: is empty, want 1 to 256 bytes"},
		{"control character", "u,,a\x1b,,,1", "item: holds a control character"},
		{"unknown type", "u,,i,CLICK,,1", `type: is "CLICK", want VIEW, LIKE, ADD_TO_CART, PURCHASE, RATING, DISLIKE or HIDE`},
		{"high rating", "u,,i,,5.01,1", "value: is 5.01, want 0 to 5"},
		{"negative rating", "u,,i,RATING,-1,1", "value: is -1, want 0 to 5"},
		{"not a number", "u,,i,,NaN,1", `value: is "NaN", want a number`},
		{"infinite", "u,,i,,1e999,1", `value: is "1e999", want a number`},
		{"rating without a value", "u,,i,RATING,,1", "value: is empty, want a rating from 0 to 5"},
		{"price of a purchase", "u,,i,PURCHASE,12.5,1", "value: is 12.5 for PURCHASE, want none: a value belongs to RATING"},
		{"no time", "u,,i,,,", `timestamp: is "", want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z`},
		{"a date", "u,,i,,,2026-01-01", `timestamp: is "2026-01-01", want Unix seconds or RFC 3339 such as 2026-01-31T18:00:00Z`},
		{"before 1970", "u,,i,,,-1", "timestamp: is 1969-12-31T23:59:59Z" + wantTime},
		{"just too late", "u,,i,,,1767225900.000001", "timestamp: is 2026-01-01T00:05:00Z" + wantTime},
		{"milliseconds", "u,,i,,,96498052300", "timestamp: is 5027-11-26T14:31:40Z" + wantTime},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, report := mustInteractions(t, "user,visitor,item,type,value,timestamp\n"+test.row+"\nu,,last,,,1\n")
			if diff := cmp.Diff([]string{"line 2, column " + test.want}, faultStrings(report)); diff != "" {
				t.Error(diff)
			}
			if len(got) != 1 || got[0].ItemID != "last" || report.Skipped != 1 {
				t.Errorf("stored %+v, %+v", got, report)
			}
		})
	}
}

func TestInteractionsRefusesHeaders(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, header, column string }{
		{"no item", "user,movie,value,timestamp", "item"},
		{"no actor", "item,value,timestamp", "user"},
		{"no time", "user,item,value", "timestamp"},
		{"ratings under another name", "user,item,rating,timestamp", "value"},
		{"twice", "user,item,item,timestamp", "item"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := Interactions(t.Context(), text("events.csv", test.header+"\n"), newFakeSink(), testConfig())
			var field *recsys.FieldError
			if !errors.As(err, &field) || field.Field != test.column || !errors.Is(err, recsys.ErrInvalid) {
				t.Errorf("error %v, want one about column %s", err, test.column)
			}
		})
	}
}

func TestInteractionsAddsNothingTwice(t *testing.T) {
	t.Parallel()
	// Rows 3 and 5 spell row 2 in other ways; row 4 differs in the last microsecond.
	content := "user,item,type,value,timestamp\n" +
		"a,b,RATING,4,1000000000\n" + "a,b,,4.0,2001-09-09T01:46:40Z\n" + "a,b,,4,1000000000.000001\n" + "a,b,rating,+4,1e9\n"
	sink := newFakeSink()
	for load, want := range []int64{2, 4} {
		report, err := Interactions(t.Context(), text("events.csv", content), sink, testConfig())
		if err != nil {
			t.Fatal(err)
		}
		if report.Loaded != 4 || report.Replayed != want || len(sink.interactions) != 2 {
			t.Errorf("load %d: %+v with %d stored", load+1, report, len(sink.interactions))
		}
	}
}

func TestRequestID(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_600_000_000, 0)
	// All differ in one thing; the last two would be one if lengths were not part of the name.
	distinct := []recsys.Interaction{
		{Actor: recsys.User("a"), ItemID: "b", Type: recsys.View, EventTime: at},
		{Actor: recsys.Visitor("a"), ItemID: "b", Type: recsys.View, EventTime: at},
		{Actor: recsys.User("a"), ItemID: "c", Type: recsys.View, EventTime: at},
		{Actor: recsys.User("a"), ItemID: "b", Type: recsys.Like, EventTime: at},
		{Actor: recsys.User("a"), ItemID: "b", Type: recsys.Rating, Value: 1, EventTime: at},
		{Actor: recsys.User("a"), ItemID: "b", Type: recsys.Rating, Value: 2, EventTime: at},
		{Actor: recsys.User("a"), ItemID: "b", Type: recsys.View, EventTime: at.Add(time.Microsecond)},
		{Actor: recsys.User("xx"), ItemID: "y", Type: recsys.View, EventTime: at},
		{Actor: recsys.User("x"), ItemID: "xy", Type: recsys.View, EventTime: at},
	}
	ids, digests := map[[16]byte]bool{}, map[[32]byte]bool{}
	for _, in := range distinct {
		request := requestID(requestSpace(), in)
		if again := requestID(requestSpace(), in); again != request {
			t.Errorf("%+v is named twice", in)
		}
		if v := uuid.UUID(request.ID); v.Version() != 5 || v.Variant() != uuid.RFC4122 {
			t.Errorf("%v is no UUID of version 5", v)
		}
		ids[request.ID], digests[request.Digest] = true, true
	}
	if len(ids) != len(distinct) || len(digests) != len(distinct) {
		t.Errorf("%d ids and %d digests for %d interactions", len(ids), len(digests), len(distinct))
	}
	// Stored databases hold these: a change here would load every old file a second time.
	got := requestID(requestSpace(), distinct[0])
	if id := uuid.UUID(got.ID).String(); id != "aa928f45-51ba-5793-8771-e297a4a93c14" {
		t.Errorf("id %s", id)
	}
}

func TestReportKeepsTheFirstFaults(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("user,item,timestamp\n")
	for i := range 2500 {
		fmt.Fprintf(&b, "u%d,,1\n", i)
	}
	_, report := mustInteractions(t, b.String())
	if len(report.Faults) != maxFaults || report.FaultCount != 2500 || report.Skipped != 2500 || report.Loaded != 0 {
		t.Errorf("%d faults kept of %d, %d skipped", len(report.Faults), report.FaultCount, report.Skipped)
	}
	if last := report.Faults[maxFaults-1].Line; last != maxFaults+1 {
		t.Errorf("the last fault kept is of line %d", last)
	}
}
