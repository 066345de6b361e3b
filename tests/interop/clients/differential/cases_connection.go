// Framing, headers, versions, order: what a client meets before any API.
package main

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func connectionCases() {
	for _, row := range served {
		add(row.key.Name()+": versions outside the range", func(r *run) {
			for _, v := range []int16{row.first - 1, row.last + 1, 99, -1, 32767} {
				if row.key != kmsg.ApiVersions {
					flexible := v >= row.flexibleFirst
					r.seeFate(fmt.Sprint("v", v), rawRequest(int16(row.key), v, 7, flexible,
						make([]byte, 64)))
				}
			}
		})
		add(row.key.Name()+": a body cut off", func(r *run) {
			for v := row.first; v <= row.last; v++ {
				body := []byte{0}
				if row.key == kmsg.ApiVersions && v < 3 {
					continue
				}
				r.seeFate(fmt.Sprint("v", v), rawRequest(int16(row.key), v, 7,
					v >= row.flexibleFirst, body))
			}
		})
	}
	add("connection: keys nobody serves here", func(r *run) {
		for _, key := range []int16{-1, 4, 5, 6, 7, 52, 53, 54, 56, 58, 59, 62, 63, 67, 70, 73, 82,
			94, 999, 32767} {
			r.seeFate(fmt.Sprint("key ", key), rawRequest(key, 0, 7, false, make([]byte, 32)))
		}
	})
	add("connection: frame lengths", func(r *run) {
		for _, size := range []int32{-1, -2147483648, 0, 1, 3, 7, 104857601, 2147483647} {
			frame := binary.BigEndian.AppendUint32(nil, uint32(size))
			if size > 0 && size < 100 {
				frame = append(frame, make([]byte, size)...)
			}
			r.seeFate(fmt.Sprint("length ", size), frame)
		}
	})
	add("connection: client ids", func(r *run) {
		for name, id := range map[string][]byte{"null": {0xff, 0xff}, "empty": {0, 0},
			"longer than the frame": {0, 200, 'x'}, "negative": {0xff, 0xfe},
			"not UTF-8": {0, 2, 0xc3, 0x28}} {
			body := append([]byte{0, 18, 0, 0, 0, 0, 0, 9}, id...)
			r.seeFate(name, append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...))
		}
	})
	add("connection: bytes behind the body", func(r *run) {
		r.seeFate("ApiVersions v0", rawRequest(18, 0, 7, false, []byte{1, 2, 3}))
		r.seeFate("Metadata v1", rawRequest(3, 1, 7, false, []byte{0, 0, 0, 0, 9}))
		r.seeFate("Metadata v12", rawRequest(3, 12, 7, true, []byte{1, 0, 0, 0, 9}))
	})
	add("connection: unknown tags are skipped", func(r *run) {
		body := []byte{1, 0, 0, 2, 9, 2, 'a', 'b', 11, 0} // Metadata v12 with two tags at its end
		r.seeFate("in the body", rawRequest(3, 12, 7, true, body))
		header := []byte{1, 5, 3, 'x', 'y', 'z'} // one tag in the header
		r.seeFate("in the header", rawRequest(3, 12, 7, false, append(header, 1, 0, 0, 0)))
		r.seeFate("tags out of order", rawRequest(3, 12, 7, true, []byte{1, 0, 0, 2, 11, 0, 9, 0}))
		r.seeFate("a tag twice", rawRequest(3, 12, 7, true, []byte{1, 0, 0, 2, 9, 0, 9, 0}))
		r.seeFate("a tag longer than the frame", rawRequest(3, 12, 7, true, []byte{1, 0, 0, 1, 9, 90}))
	})
	add("connection: answers in the order of the requests", func(r *run) {
		r.topic("pipelined", 1, nil)
		var requests []kmsg.Request
		for i := 0; i < 10; i++ {
			requests = append(requests, at(3, kmsg.NewPtrApiVersionsRequest()), metadataOf(9),
				andOffset(listOffsets(5, "pipelined"), 0, -1))
		}
		wait := r.fetch(11, read("pipelined", 0, 0))
		wait.MaxWaitMillis = 300
		requests = append(requests[:15], append([]kmsg.Request{wait}, requests[15:]...)...)
		var expected []int32
		for _, request := range requests {
			expected = append(expected, r.conn().send(request))
		}
		for i, request := range requests {
			answer, err := r.conn().receive(request)
			r.see(fmt.Sprint("answer ", i), fmt.Sprint(err, answer.correlation == expected[i]))
		}
	})
	add("connection: batches of one connection are appended in the order sent", func(r *run) {
		r.topic("in-order", 4, nil)
		producer, epoch := r.newProducer()
		var requests []kmsg.Request
		for i := int32(0); i < 40; i++ {
			requests = append(requests, r.produce(9, "in-order", i%4,
				records(1).from(producer, epoch, i/4).bytes()))
		}
		var bytes []byte
		for i, request := range requests {
			bytes = append(bytes, encode(request, int32(i+100))...)
		}
		r.conn().write(bytes)
		for i, request := range requests {
			takeAnswer[*kmsg.ProduceResponse](r, fmt.Sprint(i), request, int32(i+100))
		}
	})
	add("connection: requests split at every byte", func(r *run) {
		bytes := encode(metadataOf(9), 77)
		for _, b := range bytes {
			r.conn().write([]byte{b})
			time.Sleep(100 * time.Microsecond)
		}
		takeAnswer[*kmsg.MetadataResponse](r, "metadata", metadataOf(9), 77)
	})
	silentCases()
}

// acks=0: no answer when it works, the end of the connection when it does not.
func silentCases() {
	each(kmsg.Produce, "acks=0 is not answered", func(r *run, v int16) {
		r.topic("silent", 16, nil)
		request := r.produce(v, "silent", int32(v), records(2).bytes())
		request.Acks = 0
		r.conn().send(request)
		ask[*kmsg.ApiVersionsResponse](r, "the next request", at(0, kmsg.NewPtrApiVersionsRequest()))
		r.eventually("appended", func() bool {
			answer := call[*kmsg.ListOffsetsResponse](r, andOffset(listOffsets(7, "silent"), int32(v), -1))
			return answer.Topics[0].Partitions[0].Offset == 2
		})
	})
	each(kmsg.Produce, "acks=0 with an error closes", func(r *run, v int16) {
		r.topic("silent", 16, nil)
		bad := records(1).bytes()
		bad[20] ^= 1
		for name, request := range map[string]*kmsg.ProduceRequest{
			"unknown topic":     r.produce(v, "no-such-topic-"+fmt.Sprint(v), 0, records(1).bytes()),
			"unknown partition": r.produce(v, "silent", 77, records(1).bytes()),
			"bad checksum":      r.produce(v, "silent", 15, bad),
			"no batch":          r.produce(v, "silent", 15, []byte{}),
		} {
			request.Acks = 0
			r.seeFate(name, append(encode(request, 5), encode(at(0, kmsg.NewPtrApiVersionsRequest()), 6)...))
		}
	})
}

func apiVersionsCases() {
	each(kmsg.ApiVersions, "what is served", func(r *run, v int16) {
		request := at(v, kmsg.NewPtrApiVersionsRequest())
		request.ClientSoftwareName, request.ClientSoftwareVersion = "a-client.of-mine", "1.2.3-x"
		answer := ask[*kmsg.ApiVersionsResponse](r, "versions", request)
		for _, row := range served {
			for _, key := range answer.ApiKeys {
				if key.ApiKey == int16(row.key) {
					lowest := min(row.first, row.advertised)
					r.see(row.key.Name()+" as the cases assume",
						key.MinVersion == lowest && key.MaxVersion == row.last)
				}
			}
		}
	})
	for _, v := range []int16{5, 6, 99, 32767, -1} {
		add(fmt.Sprintf("ApiVersions v%d: answered with version 0", v), func(r *run) {
			for _, flexible := range []bool{false, true} {
				label := fmt.Sprint("flexible header ", flexible)
				c := r.b.dial()
				c.write(rawRequest(18, v, 7, flexible, []byte{4, 'a', 'b', 'c', 2, '1', 0}))
				frame, err := c.frame(answerTimeout)
				c.c.Close()
				r.see(label, fmt.Sprintf("%x %v", frame, err))
			}
		})
	}
	for _, v := range []int16{3, 4} {
		add(fmt.Sprintf("ApiVersions v%d: names of client software", v), func(r *run) {
			for _, name := range []string{"", "a", "-", "a-", "-a", ".a", "a.", "a b", "a_b", "a.b-c",
				"ä", "A9", "9", "a\x00b", "a/b"} {
				request := at(v, kmsg.NewPtrApiVersionsRequest())
				request.ClientSoftwareName, request.ClientSoftwareVersion = name, "1"
				answer := call[*kmsg.ApiVersionsResponse](r, request)
				r.see(fmt.Sprintf("name %q", name), fmt.Sprint(answer.ErrorCode, len(answer.ApiKeys) > 0))
				request.ClientSoftwareName, request.ClientSoftwareVersion = "a", name
				answer = call[*kmsg.ApiVersionsResponse](r, request)
				r.see(fmt.Sprintf("version %q", name), fmt.Sprint(answer.ErrorCode, len(answer.ApiKeys) > 0))
			}
			bad := at(v, kmsg.NewPtrApiVersionsRequest())
			ask[*kmsg.ApiVersionsResponse](r, "an empty name", bad)
		})
	}
}
