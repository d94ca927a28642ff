package goclient_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/carillon-chat/carillon/client"
)

// resumeFroms gives what each connect resumed from.
func (s *server) resumeFroms() (list []string) {
	for _, query := range s.connects() {
		list = append(list, query.Get("resume-from"))
	}
	return list
}

// plays gives each socket its own part; the last one stays open.
func plays(parts ...func(peer)) func(peer) {
	return func(p peer) {
		parts[p.n-1](p)
		if p.n == len(parts) {
			p.idle()
		}
	}
}

func TestResume(t *testing.T) {
	for _, test := range []struct {
		name  string
		parts []func(peer)
		want  []string // events
		from  []string // resume-from of each connect
	}{
		{
			"events between the sockets come once, in order",
			[]func(peer){
				func(p peer) { p.establish("T1"); p.message(5); p.message(7) },
				func(p peer) {
					p.establish("T2")
					p.message(7) // what the server cannot know was received
					p.message(8)
					p.message(9)
					p.send("SESSION_RESUMED", 0, object{"Events": 3, "ResumeToken": "T3"})
					p.message(9)
					p.message(10)
				},
				func(p peer) {
					p.establish("T4")
					p.send("SESSION_RESUMED", 0, object{"Events": 0, "ResumeToken": "T5"})
				},
			},
			[]string{
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m5", "CREATE_CHANNEL_MESSAGE m7",
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m8", "CREATE_CHANNEL_MESSAGE m9", "SESSION_RESUMED", "CREATE_CHANNEL_MESSAGE m10",
				"SESSION_ESTABLISHED", "SESSION_RESUMED",
			},
			[]string{"", "T1.7", "T3.10"},
		},
		{
			"the newest token is used",
			[]func(peer){
				func(p peer) { p.establish("T1"); p.send("RESUME_TOKEN", 0, object{"ResumeToken": "T2"}) },
				func(p peer) { p.establish("T3") },
			},
			[]string{"SESSION_ESTABLISHED", "RESUME_TOKEN", "SESSION_ESTABLISHED"},
			[]string{"", "T2"},
		},
		{
			"a socket that breaks during the replay does not move the token",
			[]func(peer){
				func(p peer) { p.establish("T1") },
				func(p peer) { p.establish("T2"); p.send("RESUME_TOKEN", 0, object{"ResumeToken": "T2b"}) },
				func(p peer) { p.establish("T3"); p.message(4) },
				func(p peer) {
					p.establish("T4")
					p.message(5)
					p.send("SESSION_RESUMED", 0, object{"Events": 1, "ResumeToken": "T5"})
				},
			},
			[]string{
				"SESSION_ESTABLISHED", "SESSION_ESTABLISHED", "RESUME_TOKEN", "SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m4",
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m5", "SESSION_RESUMED",
			},
			[]string{"", "T1", "T1", "T1.4"},
		},
		{
			"a log that begins anew is told, and its lower positions are new",
			[]func(peer){
				func(p peer) { p.establish("T1"); p.message(500) },
				func(p peer) {
					p.establish("T2")
					p.send("SESSION_NOT_RESUMED", 0, object{"Reason": "EXPIRED"})
					p.message(3)
				},
				func(p peer) { p.establish("T3") },
			},
			[]string{
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m500",
				"SESSION_ESTABLISHED", "SESSION_NOT_RESUMED EXPIRED", "CREATE_CHANNEL_MESSAGE m3", "SESSION_ESTABLISHED",
			},
			[]string{"", "T1.500", "T2.3"},
		},
		{
			"a server without tokens: the gap is told",
			[]func(peer){
				func(p peer) { p.establish(""); p.message(0) },
				func(p peer) { p.establish(""); p.message(0) },
			},
			[]string{
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m0",
				"SESSION_ESTABLISHED", "SESSION_NOT_RESUMED UNSUPPORTED", "CREATE_CHANNEL_MESSAGE m0",
			},
			[]string{"", ""},
		},
		{
			"a server that has lost the feature: the gap is told",
			[]func(peer){
				func(p peer) { p.establish("T1"); p.message(9) },
				func(p peer) { p.establish("") },
				func(p peer) { p.establish("U1") },
			},
			[]string{
				"SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m9",
				"SESSION_ESTABLISHED", "SESSION_NOT_RESUMED UNSUPPORTED",
				"SESSION_ESTABLISHED", "SESSION_NOT_RESUMED UNSUPPORTED",
			},
			[]string{"", "T1.9", ""},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			play(t, plays(test.parts...), func(t *testing.T, s *server) {
				session := s.mustConnect(client.SessionConfig{})
				defer session.Close()
				expect(t, session, test.want...)
				if got := s.resumeFroms(); !slices.Equal(got, test.from) {
					t.Errorf("resumed from %q, want %q", got, test.from)
				}
			})
		})
	}
}

func TestNoResumeTellsNothing(t *testing.T) {
	cut := func(p peer) { p.establish("") }
	play(t, plays(cut, cut, cut), func(t *testing.T, s *server) {
		session := s.mustConnect(client.SessionConfig{NoResume: true})
		defer session.Close()
		expect(t, session, "SESSION_ESTABLISHED", "SESSION_ESTABLISHED", "SESSION_ESTABLISHED")
	})
}

// What an event gives continues after that event, though more had been read already.
func TestEventsSayWhereToGoOn(t *testing.T) {
	all := plays(func(p peer) {
		p.establish("T1")
		for i := 1; i <= 20; i++ {
			p.message(i * 10)
		}
		p.send("RESUME_TOKEN", 0, object{"ResumeToken": "T2"})
		p.message(210)
	})
	play(t, all, func(t *testing.T, s *server) {
		session := s.mustConnect(client.SessionConfig{})
		defer session.Close()
		want := []string{"T1"}
		for i := 1; i <= 20; i++ {
			want = append(want, fmt.Sprint("T1.", i*10))
		}
		want = append(want, "T2.200", "T2.210")
		for _, w := range want {
			if e, err := session.Next(t.Context()); err != nil || e.ResumeFrom != w {
				t.Errorf("%s: %q, want %q, %v", e.Type, e.ResumeFrom, w, err)
			}
		}
	})
}

func TestResumeFromOfAnEarlierSession(t *testing.T) {
	again := plays(func(p peer) { // the first socket of this process
		p.establish("T2")
		p.message(7)
		p.message(8)
		p.send("SESSION_RESUMED", 0, object{"Events": 2, "ResumeToken": "T3"})
	})
	play(t, again, func(t *testing.T, s *server) {
		session := s.mustConnect(client.SessionConfig{ResumeFrom: "T1.7"})
		defer session.Close()
		expect(t, session, "SESSION_ESTABLISHED", "CREATE_CHANNEL_MESSAGE m8", "SESSION_RESUMED")
	})
	for _, bad := range []string{".7", "T.", "T.x", "T 1", "T.-1", "T.1.2"} {
		play(t, peer.idle, func(t *testing.T, s *server) {
			if _, err := s.connect(client.SessionConfig{ResumeFrom: bad}); err == nil || len(s.connects()) > 0 {
				t.Errorf("%q is accepted", bad)
			}
		})
	}
}
