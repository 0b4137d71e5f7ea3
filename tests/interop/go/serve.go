package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/ttrpc"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

type handler func(ctx context.Context, payload []byte) ([]byte, error)

var methods = map[string]handler{
	"Break":    func(context.Context, []byte) ([]byte, error) { return nil, errors.New("broken") },
	"Echo":     func(_ context.Context, payload []byte) ([]byte, error) { return payload, nil },
	"Metadata": answerMetadata,
	"Pattern":  answerPattern,
	"Sleep":    answerLater,
	"Status":   answerStatus,
	"Timeout":  answerTimeout,
}

// serve answers calls until the standard input ends.
func serve(network, address string) {
	listener, err := net.Listen(network, address)
	check(err)
	server, err := ttrpc.NewServer()
	check(err)
	table := map[string]ttrpc.Method{}
	for name, method := range methods {
		table[name] = typed(method)
	}
	server.Register("interop.Peer", table)
	go func() { check(server.Serve(context.Background(), listener)) }()
	fmt.Println("listening")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// typed makes a method on protobuf messages of one on bytes.
func typed(method handler) ttrpc.Method {
	return func(ctx context.Context, unmarshal func(interface{}) error) (interface{}, error) {
		var request wrapperspb.BytesValue
		if err := unmarshal(&request); err != nil {
			return nil, err
		}
		answer, err := method(ctx, request.Value)
		if err != nil {
			return nil, err
		}
		return wrapperspb.Bytes(answer), nil
	}
}

func answerMetadata(ctx context.Context, _ []byte) ([]byte, error) {
	metadata, _ := ttrpc.GetMetadata(ctx)
	lines := []string{}
	for key, values := range metadata {
		lines = append(lines, key+"="+strings.Join(values, ","))
	}
	sort.Strings(lines)
	return []byte(strings.Join(lines, "\n")), nil
}

func answerPattern(_ context.Context, payload []byte) ([]byte, error) {
	size, err := strconv.Atoi(string(payload))
	return pattern(size), err
}

func answerLater(ctx context.Context, payload []byte) ([]byte, error) {
	milliseconds, err := strconv.Atoi(string(payload))
	if err != nil {
		return nil, err
	}
	select {
	case <-time.After(time.Duration(milliseconds) * time.Millisecond):
		return payload, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func answerStatus(_ context.Context, payload []byte) ([]byte, error) {
	var wanted spb.Status
	if err := proto.Unmarshal(payload, &wanted); err != nil {
		return nil, err
	}
	return nil, status.ErrorProto(&wanted)
}

// answerTimeout tells the time that is left in nanoseconds; 0: no limit.
func answerTimeout(ctx context.Context, _ []byte) ([]byte, error) {
	deadline, limited := ctx.Deadline()
	if !limited {
		return []byte("0"), nil
	}
	return []byte(strconv.FormatInt(time.Until(deadline).Nanoseconds(), 10)), nil
}
