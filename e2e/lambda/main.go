// Command lambda is a processor of channel flows as one runs in AWS Lambda: written with AWS's library for functions, and
// calling back with AWS's SDK. The tests of e2e run it in AWS's runtime interface emulator.
//
// It needs CHIME_ENDPOINT, the URL that ChannelFlowCallback is sent to, and credentials in the environment, as functions have
// them. What a message begins with says what becomes of it:
//
//	deny     it is denied
//	mask     its content is replaced by ****
//	crash    the function's process ends without a callback, the first time
//	fail     the function returns an error
//	hang     the function does not return before its time-out
//	anything else passes
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go/aws"
	"github.com/aws/aws-sdk-go/aws/session"
	"github.com/aws/aws-sdk-go/service/chimesdkmessaging"
)

// event is what AWS documents for processors, as far as this one needs it.
type event struct {
	EventType      string
	CallbackID     string `json:"CallbackId"`
	ChannelMessage struct {
		MessageID  string `json:"MessageId"`
		ChannelARN string `json:"ChannelArn"`
		Content    string
	}
}

// processor decides about messages.
type processor struct {
	chime   *chimesdkmessaging.ChimeSDKMessaging
	crashed string // folder with a file for each message that the process has ended for
}

func main() {
	p := processor{crashed: os.Getenv("CRASHED")}
	p.chime = chimesdkmessaging.New(session.Must(session.NewSession()), aws.NewConfig().WithEndpoint(os.Getenv("CHIME_ENDPOINT")))
	lambda.Start(p.handle)
}

func (p processor) handle(ctx context.Context, e event) error {
	if e.EventType != "CHANNEL_MESSAGE_EVENT" {
		return fmt.Errorf("the event is of type %q", e.EventType)
	}
	in := &chimesdkmessaging.ChannelFlowCallbackInput{
		CallbackId: &e.CallbackID, ChannelArn: &e.ChannelMessage.ChannelARN,
		ChannelMessage: &chimesdkmessaging.ChannelMessageCallback{MessageId: &e.ChannelMessage.MessageID},
	}
	switch word, _, _ := strings.Cut(e.ChannelMessage.Content, " "); word {
	case "deny":
		in.DeleteResource = aws.Bool(true)
	case "mask":
		in.ChannelMessage.Content = aws.String("****")
	case "crash":
		if p.isFirst(e.ChannelMessage.MessageID) {
			os.Exit(3)
		}
	case "fail":
		return errors.New("the function fails")
	case "hang":
		<-ctx.Done()
		select {}
	}
	_, err := p.chime.ChannelFlowCallbackWithContext(ctx, in)
	return err
}

// isFirst reports whether it is called for the first time for a message, over all processes.
func (p processor) isFirst(id string) bool {
	file, err := os.OpenFile(p.crashed+"/"+id, os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return false
	}
	_ = file.Close()
	return true
}
