package api

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestTimeFormats(t *testing.T) {
	cases := []struct {
		at         time.Time
		epoch, iso string
	}{
		{time.Date(2021, 6, 3, 16, 26, 31, 13e6, time.UTC), "1622737591.013", `"2021-06-03T16:26:31.013Z"`},
		{time.Date(2021, 6, 3, 18, 26, 31, 0, time.FixedZone("", 7200)), "1622737591.000", `"2021-06-03T16:26:31.000Z"`},
		{time.Date(2021, 6, 3, 16, 26, 31, 999999999, time.UTC), "1622737591.999", `"2021-06-03T16:26:31.999Z"`},
		{time.Unix(0, 0), "0.000", `"1970-01-01T00:00:00.000Z"`},
		{time.UnixMilli(-500), "-0.500", `"1969-12-31T23:59:59.500Z"`},
	}
	for _, c := range cases {
		if got := string(Epoch.Append(nil, c.at)); got != c.epoch {
			t.Errorf("%v as epoch: %s, want %s", c.at, got, c.epoch)
		}
		if got := string(ISO.Append(nil, c.at)); got != c.iso {
			t.Errorf("%v as ISO: %s, want %s", c.at, got, c.iso)
		}
	}
}

func TestTimesReadBackToTheMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.UnixMilli(rapid.Int64Range(-maxEpoch/2*1000, maxEpoch*1000).Draw(t, "ms"))
		if at.UTC().Year() < 0 {
			t.Skip("before the calendar")
		}
		got, ok := ParseTime(string(Epoch.Append(nil, at)))
		if !ok || !got.Equal(at) {
			t.Fatalf("epoch: %v read as %v %v", at, got, ok)
		}
		var iso string
		if err := json.Unmarshal(ISO.Append(nil, at), &iso); err != nil {
			t.Fatal(err)
		}
		if got, ok = ParseTime(iso); !ok || !got.Equal(at) {
			t.Fatalf("iso: %s read as %v %v", iso, got, ok)
		}
		if want := at.UTC().Format("2006-01-02T15:04:05.000Z"); iso != want {
			t.Fatalf("iso: %s, want %s", iso, want)
		}
	})
}

func TestParseTime(t *testing.T) {
	base := time.Date(2021, 6, 3, 16, 26, 31, 0, time.UTC)
	good := map[string]time.Time{
		"2021-06-03T16:26:31Z":           base,
		"2021-06-03T16:26:31.5Z":         base.Add(500 * time.Millisecond),
		"2021-06-03T16:26:31.123456789Z": base.Add(123456789),
		"2021-06-03T18:26:31.5+02:00":    base.Add(500 * time.Millisecond),
		"2021-06-03T11:26:31-05:00":      base,
		"1622737591":                     base,
		"1622737591.013":                 base.Add(13 * time.Millisecond),
		"1622737591.000000001":           base.Add(1),
		"1.622737591013E9":               base.Add(13 * time.Millisecond),
		"-0.5":                           time.UnixMilli(-500),
		"-1.5":                           time.UnixMilli(-1500),
		"0":                              time.Unix(0, 0),
	}
	for s, want := range good {
		if got, ok := ParseTime(s); !ok || !got.Equal(want) {
			t.Errorf("%s: got %v %v, want %v", s, got, ok, want)
		}
	}
	for _, s := range []string{
		"", "now", "2021-06-03", "2021-06-03T16:26:31", "2021-06-03T16:26:31.Z", "2021-06-03T16:26:31,5Z",
		"2021-06-03T16:26:31.0123456789Z", "2021-13-03T16:26:31Z", "2021-06-03 16:26:31Z", "1.", ".5", "1.5.5", "0x10", "1e400",
		"NaN", "Infinity", "99999999999999", "-99999999999999", "1e20", "1 ", "+1", "1_0", "2021-06-03T16:26:31.5Z                            ",
	} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("%q: accepted as %v", s, got)
		}
	}
}
