// One broker, its connections, and requests on them as bytes.
package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const answerTimeout = 60 * time.Second // Reached by what hangs only.

type uuid = [16]byte

type broker struct {
	name, address, host string
	port, node          int32
	ids                 map[string]uuid // topic name to its present id
	named               map[uuid]string // every id ever seen to a symbol
}

func newBroker(name, address string) *broker {
	host, port, err := net.SplitHostPort(address)
	number, _ := strconv.Atoi(port)
	if err != nil {
		panic(err)
	}
	b := &broker{name: name, address: address, host: host, port: int32(number),
		ids: map[string]uuid{}, named: map[uuid]string{}}
	r := &run{b: b}
	defer r.close()
	answer := call[*kmsg.MetadataResponse](r, metadataOf(12))
	b.node = answer.Brokers[0].NodeID
	return b
}

// With maps of its own, for a script that makes topics while others run.
func (b *broker) own() *broker {
	other := *b
	other.ids, other.named = maps.Clone(b.ids), maps.Clone(b.named)
	return &other
}

var errClosed = errors.New("the broker closed the connection")

type conn struct {
	c           net.Conn
	in          *bufio.Reader
	correlation int32
}

func (b *broker) dial() *conn {
	c, err := net.DialTimeout("tcp", b.address, answerTimeout)
	if err != nil {
		panic(fmt.Sprintf("connect to %s: %v", b.name, err))
	}
	return &conn{c: c, in: bufio.NewReaderSize(c, 1<<16)}
}

// A closed connection is found by the answer that does not come, so a failed write says nothing.
func (c *conn) write(bytes []byte) {
	c.c.SetWriteDeadline(time.Now().Add(answerTimeout))
	_, _ = c.c.Write(bytes)
}

func encode(request kmsg.Request, correlation int32) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("differential")).
		AppendRequest(nil, request, correlation)
}

func (c *conn) send(request kmsg.Request) int32 {
	c.correlation++
	c.write(encode(request, c.correlation))
	return c.correlation
}

// One answer frame, without its length.
func (c *conn) frame(wait time.Duration) ([]byte, error) {
	c.c.SetReadDeadline(time.Now().Add(wait))
	var length [4]byte
	if _, err := io.ReadFull(c.in, length[:]); err != nil {
		return nil, closedOr(err)
	}
	size := int32(binary.BigEndian.Uint32(length[:]))
	if size < 4 || size > 200<<20 {
		return nil, fmt.Errorf("answer of %d bytes", size)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c.in, body); err != nil {
		return nil, closedOr(err)
	}
	return body, nil
}

func closedOr(err error) error {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return errors.New("no answer in time")
	}
	return errClosed
}

// Whether an answer has begun to arrive.
func (c *conn) answered(wait time.Duration) bool {
	c.c.SetReadDeadline(time.Now().Add(wait))
	_, err := c.in.Peek(1)
	var timeout net.Error
	return !(errors.As(err, &timeout) && timeout.Timeout())
}

type received struct {
	correlation int32
	response    kmsg.Response
	exact       bool // decoding and encoding again gives the same bytes
	tagBytes    int  // in the response header
}

func decode(request kmsg.Request, frame []byte) (received, error) {
	answer := received{correlation: int32(binary.BigEndian.Uint32(frame))}
	reader := kbin.Reader{Src: frame[4:]}
	if request.IsFlexible() && request.Key() != int16(kmsg.ApiVersions) {
		before := len(reader.Src)
		kmsg.SkipTags(&reader)
		answer.tagBytes = before - len(reader.Src)
	}
	answer.response = request.ResponseKind()
	answer.response.SetVersion(request.GetVersion())
	if err := answer.response.ReadFrom(reader.Src); err != nil {
		return answer, fmt.Errorf("answer does not decode: %w", err)
	}
	answer.exact = string(answer.response.AppendTo(nil)) == string(reader.Src)
	return answer, nil
}

func (c *conn) receive(request kmsg.Request) (received, error) {
	frame, err := c.frame(answerTimeout)
	if err != nil {
		return received{}, err
	}
	return decode(request, frame)
}

// A request header with any numbers in it, and whatever body.
func rawRequest(key, version int16, correlation int32, flexible bool, body []byte) []byte {
	frame := binary.BigEndian.AppendUint16(make([]byte, 4), uint16(key))
	frame = binary.BigEndian.AppendUint16(frame, uint16(version))
	frame = binary.BigEndian.AppendUint32(frame, uint32(correlation))
	frame = append(frame, 0, 3, 'r', 'a', 'w')
	if flexible {
		frame = append(frame, 0)
	}
	frame = append(frame, body...)
	binary.BigEndian.PutUint32(frame, uint32(len(frame)-4))
	return frame
}
