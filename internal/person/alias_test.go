package person

import (
	"testing"

	"github.com/carillon-chat/carillon/internal/chime"
	"github.com/carillon-chat/carillon/internal/store"
)

// TestRename: an id is replaced where it stands as a whole, by itself or in an ARN, and the name beside an ARN goes,
// whatever it is. Longer ids, and the words of others, stay.
func TestRename(t *testing.T) {
	const arn = "arn:aws:chime:us-east-1:000000000000:app-instance/A/user/"
	a := newAlias(chime.Site{Region: "us-east-1", Account: "000000000000"}, "A", chime.UserRef("ann@x.org"), chime.UserRef("gone"))
	for text, want := range map[string]string{
		"user/ann@x.org":                "user/gone",
		"user/ann@x.orgy":               "user/ann@x.orgy",
		"user/ann":                      "user/ann",
		"see user/ann@x.org":            "see user/ann@x.org",
		arn + "ann@x.org":               arn + "gone",
		arn + "ann@x.org.uk":            arn + "ann@x.org.uk",
		"it was " + arn + "ann@x.org.":  "it was " + arn + "gone.",
		arn + "ann@x.org-, next":        arn + "gone-, next",
		arn[:len(arn)-7] + "B/user/ann": arn[:len(arn)-7] + "B/user/ann",

		`{"Arn":"` + arn + `ann@x.org","Name":"Ann"}`:                                         `{"Arn":"` + arn + `gone"}`,
		`{"Arn":"` + arn + `ann@x.org","Name":"A \"n\\"},{"Arn":"` + arn + `b","Name":"Bob"}`: `{"Arn":"` + arn + `gone"},{"Arn":"` + arn + `b","Name":"Bob"}`,
		`{"Arn":"` + arn + `ann@x.orgy","Name":"Ann"}`:                                        `{"Arn":"` + arn + `ann@x.orgy","Name":"Ann"}`,
	} {
		if got, left := a.rename([]byte(text)); string(got) != want || left {
			t.Errorf("%s became %s, want %s; left: %v", text, got, want, left)
		}
	}

	// A key of the store is not changed, and said to be left.
	key := store.K("A", "user/ann@x.org", "c")
	if got, left := a.rename(key); string(got) != string(key) || !left {
		t.Errorf("a key became %q, left: %v", got, left)
	}
	if longer := store.K("A", "user/ann@x.orgy"); a.isInKey(longer) {
		t.Error("a longer id is taken for it")
	}
}
