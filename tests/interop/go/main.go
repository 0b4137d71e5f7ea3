// Peer speaks ttRPC with containerd's implementation, as a server or as a client: see ../README.md.
package main

import (
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fail("usage: peer serve|call unix://PATH|tcp://IP:PORT")
	}
	network, address := parseAddress(os.Args[2])
	switch os.Args[1] {
	case "serve":
		serve(network, address)
	case "call":
		call(network, address)
	default:
		fail("unknown mode: " + os.Args[1])
	}
}

// parseAddress splits an address for the functions of net. An abstract socket keeps its @, as net wants it.
func parseAddress(text string) (network, address string) {
	network, address, found := strings.Cut(text, "://")
	if !found || (network != "unix" && network != "tcp") {
		fail("not an address: " + text)
	}
	return network, address
}

func dial(network, address string) net.Conn {
	conn, err := net.Dial(network, address)
	check(err)
	return conn
}

// pattern is what @N stands for: N bytes, each its index modulo 251.
func pattern(size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(i % 251)
	}
	return data
}

func decodePayload(text string) []byte {
	if text == "-" {
		return nil
	}
	if strings.HasPrefix(text, "@") {
		size, err := strconv.Atoi(text[1:])
		check(err)
		return pattern(size)
	}
	data, err := hex.DecodeString(text)
	check(err)
	return data
}

func encodePayload(data []byte) string {
	if len(data) == 0 {
		return "-"
	}
	if len(data) > 251 && string(data) == string(pattern(len(data))) {
		return fmt.Sprintf("@%d", len(data))
	}
	return hex.EncodeToString(data)
}

func check(err error) {
	if err != nil {
		fail(err.Error())
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, "peer:", text)
	os.Exit(1)
}
