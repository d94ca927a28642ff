package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// A message comes live as it was, and late as it is: a session that resumes does not get what was edited,
// redacted or removed before. So the checker knows which versions of a message there were, and when
// the call that ended each was answered: what was asked for after that answer must not show it.

// version is what a message showed for a time; that of a message that is gone shows nothing.
type version struct {
	content  string
	redacted bool
	kept     bool   // the content is stored, though it may be hidden
	ended    uint64 // when the call was answered that ended it; 0: it is the present
}

// lateMark begins the line of a frame of what was missed.
const lateMark = "late: "

// shown is a message without what changes, and what changes.
func shown(line string) (rest string, v version, is bool) {
	event, _, _ := strings.Cut(line, " ")
	if !strings.HasSuffix(event, "_CHANNEL_MESSAGE") || strings.HasPrefix(event, "REDACT_") || strings.HasPrefix(event, "DELETE_") {
		return line, version{}, false
	}
	rest, v.content, _ = strings.Cut(line, ": ")
	rest, _, v.redacted = cutOut(rest, " redacted")
	return rest, v, true
}

func cutOut(text, part string) (without, rest string, found bool) {
	before, after, found := strings.Cut(text, part)
	return before + after, after, found
}

// says reports whether a frame that came is the event that was due. A frame that waited for its
// socket when the content was removed comes as one that was missed.
func (s *socket) says(line string, e entry) bool {
	text, late := strings.CutPrefix(line, lateMark)
	if text == e.line && !late {
		return true
	}
	got, v, is := shown(text)
	due, _, _ := shown(e.line)
	if !is {
		return text == e.line
	}
	if isLive(due) { // its content is kept nowhere, and goes with its channel
		return got == due && v == version{} && e.call < s.app.deleted[e.channel]
	}
	return got == due && s.app.showed(messageID(got), v, s.asked)
}

// messageID is the id in the line of a message.
func messageID(line string) string {
	for word := range strings.FieldsSeq(line) {
		if len(word) == 64 {
			return word
		}
	}
	return ""
}

// showed reports whether a message may be shown so to a session that asked at that time. The caller holds mu.
func (a *appInstance) showed(id string, v version, asked uint64) bool {
	for _, known := range a.versions[id] {
		if known.content == v.content && known.redacted == v.redacted && (known.ended == 0 || known.ended > asked) {
			return true
		}
	}
	return false
}

// revise notes what the messages of a channel show after a call on it was answered; nil is a channel
// that is gone.
func (a *appInstance) revise(arn string, c *channel) {
	answered := a.begun.Add(1)
	present := map[string]version{}
	if c != nil {
		for _, p := range c.places {
			for _, n := range p.notes {
				present[n.id] = n.shows()
			}
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c == nil {
		a.deleted[arn] = answered
	}
	for id, v := range present {
		a.become(id, v, answered)
	}
	for id := range a.stored[arn] {
		if _, is := present[id]; !is {
			a.become(id, version{}, answered)
		}
	}
	a.stored[arn] = present
}

// shows is what the message shows to a late reader.
func (n *note) shows() version {
	if n.hidden {
		return version{kept: !n.redacted}
	}
	return version{content: n.content, redacted: n.redacted, kept: !n.redacted}
}

// become begins another version of a message, unless it is the present one.
func (a *appInstance) become(id string, v version, at uint64) {
	all := a.versions[id]
	if len(all) > 0 {
		last := &all[len(all)-1]
		if last.content == v.content && last.redacted == v.redacted {
			return
		}
		last.ended = at
	}
	a.versions[id] = append(all, v)
}

// contents are those of messages that were removed, which is not what a retention hides, and the
// present ones of those that are kept.
func (a *appInstance) contents() (removed, kept []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	stored := map[string]bool{}
	for _, messages := range a.stored {
		for id, v := range messages {
			stored[id] = v.kept
		}
	}
	for id, all := range a.versions {
		latest := ""
		for _, v := range all {
			if latest = cmp.Or(v.content, latest); v.content != "" && !stored[id] {
				removed = append(removed, v.content)
			}
		}
		if stored[id] && latest != "" {
			kept = append(kept, latest)
		}
	}
	return removed, kept
}

// searchFolder looks for what was removed in the files of the node, after it was erased.
func (run *isolation) searchFolder(out io.Writer, dir string) error {
	all := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			all[filepath.Base(path)], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		return err
	}

	// The end of a text is random: no other text has it, and compression leaves it as it is.
	find := func(text string) string {
		end := []byte(text[max(0, len(text)-uniqueEnd):])
		for name, content := range all {
			if bytes.Contains(content, end) {
				return name
			}
		}
		return ""
	}

	count, found, others := 0, 0, 0
	for _, a := range run.apps {
		removed, kept := a.contents()
		for _, text := range removed {
			if name := find(text); name != "" {
				return fmt.Errorf("%q was removed and is in %s", text, name)
			}
		}
		for _, text := range kept {
			if others++; find(text) != "" {
				found++
			}
		}
		count += len(removed)
	}

	// What is kept has to be found, or the search would find nothing of what was removed either. Compression
	// takes apart most of it, so a tenth is asked for: of so many removed contents it would show a few.
	fmt.Fprintf(out, "none of %d removed contents is in the data folder, where %d of %d others were found\n", count, found, others)
	if others > 100 && found < others/10 {
		return errors.New("too few others were found: the search proves little")
	}
	return nil
}

// shownAfter explains a frame of a message that shows what was removed.
func (a *appInstance) shownAfter(line string, asked uint64) string {
	text := strings.TrimPrefix(line, lateMark)
	rest, v, is := shown(text)
	if !is {
		return ""
	}
	return fmt.Sprintf("  asked for at %d, the versions of the message were %+v, shown was %q", asked, a.versions[messageID(rest)], v.content)
}
