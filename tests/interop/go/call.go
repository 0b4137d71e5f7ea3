package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/containerd/ttrpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const service = "interop.Peer"

// call carries out the commands of the standard input, and writes one line for each.
func call(network, address string) {
	client := ttrpc.NewClient(dial(network, address))
	commands := bufio.NewScanner(os.Stdin)
	for commands.Scan() {
		words := strings.Split(commands.Text(), " ")
		switch {
		case len(words) == 6 && words[0] == "call":
			fmt.Println(one(client, words[1], words[2], words[3], words[4], words[5]))
		case len(words) == 3 && words[0] == "many":
			fmt.Println(many(client, words[1], words[2]))
		case len(words) == 2 && words[0] == "half-close":
			fmt.Println(halfClose(dial(network, address), words[1], commands))
		default:
			fail("unknown command: " + commands.Text())
		}
	}
}

func one(client *ttrpc.Client, service, method, milliseconds, metadata, payload string) string {
	ctx := context.Background()
	if metadata != "-" {
		values := ttrpc.MD{}
		for _, entry := range strings.Split(metadata, ",") {
			key, value, _ := strings.Cut(entry, "=")
			values.Append(key, value)
		}
		ctx = ttrpc.WithMetadata(ctx, values)
	}
	if milliseconds != "0" {
		limit, err := strconv.Atoi(milliseconds)
		check(err)
		limited, cancel := context.WithTimeout(ctx, time.Duration(limit)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	answer, err := ask(ctx, client, service, method, decodePayload(payload))
	return outcome(answer, err)
}

func ask(ctx context.Context, client *ttrpc.Client, service, method string, payload []byte) ([]byte, error) {
	var answer wrapperspb.BytesValue
	err := client.Call(ctx, service, method, wrapperspb.Bytes(payload), &answer)
	return answer.Value, err
}

func outcome(answer []byte, err error) string {
	if err == nil {
		return "ok " + encodePayload(answer)
	}
	refused, ok := status.FromError(err)
	if !ok {
		return "failed " + err.Error()
	}
	line := fmt.Sprintf("status %d %s", refused.Code(), encodePayload([]byte(refused.Message())))
	for _, detail := range refused.Proto().Details {
		line += " " + detail.TypeUrl + "=" + hex.EncodeToString(detail.Value)
	}
	return line
}

// many makes calls all at once, each with a payload of its own, and counts those that got it back.
func many(client *ttrpc.Client, count, method string) string {
	total, err := strconv.Atoi(count)
	check(err)
	var right atomic.Int64
	var running sync.WaitGroup
	for number := 0; number < total; number++ {
		running.Add(1)
		go func(payload string) {
			defer running.Done()
			answer, err := ask(context.Background(), client, service, method, []byte(payload))
			if err == nil && string(answer) == payload {
				right.Add(1)
			}
		}(strconv.Itoa(number))
	}
	running.Wait()
	return fmt.Sprintf("ok %d", right.Load())
}

// halfClose starts a call on a connection of its own; at the next command, whatever it is, it ends its direction of the
// connection, and then tells how the call ends.
func halfClose(conn net.Conn, method string, commands *bufio.Scanner) string {
	client := ttrpc.NewClient(conn)
	ended := make(chan string)
	go func() {
		answer, err := ask(context.Background(), client, service, method, nil)
		ended <- outcome(answer, err)
	}()
	commands.Scan()
	check(conn.(interface{ CloseWrite() error }).CloseWrite())
	return <-ended
}
