// Record batches, right and wrong in every way, and what is seen of them in a fetch.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const headerBytes = 61

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

type record struct {
	timestampDelta int64
	offsetDelta    int64
	key, value     []byte
	headers        int
	attributes     byte
}

func (rec record) bytes() []byte {
	body := []byte{rec.attributes}
	body = binary.AppendVarint(body, rec.timestampDelta)
	body = binary.AppendVarint(body, rec.offsetDelta)
	for _, part := range [][]byte{rec.key, rec.value} {
		if part == nil {
			body = binary.AppendVarint(body, -1)
			continue
		}
		body = append(binary.AppendVarint(body, int64(len(part))), part...)
	}
	body = binary.AppendVarint(body, int64(rec.headers))
	for i := 0; i < rec.headers; i++ {
		body = append(binary.AppendVarint(body, 2), 'h', byte('0'+i%10))
		body = binary.AppendVarint(body, -1)
	}
	return append(binary.AppendVarint(nil, int64(len(body))), body...)
}

// Timestamps of cases lie in the past, so that a broker's own clock is recognised, but not so far
// that retention takes the records away.
var someTime = time.Now().Add(-72 * time.Hour).UnixMilli()

type batch struct {
	attributes    int16
	codec         kgo.CompressionCodecType
	baseTimestamp int64
	maxTimestamp  int64
	producer      int64
	epoch         int16
	sequence      int32
	records       []record
	payload       []byte // instead of records, before compression
	packed        []byte // instead of records, after compression
	count         int32
	lastDelta     int32
}

// A good batch of so many records, for a case to spoil.
func records(count int) *batch {
	b := &batch{baseTimestamp: someTime, maxTimestamp: someTime + int64(count) - 1, producer: -1,
		epoch: -1, sequence: -1, count: int32(count), lastDelta: int32(count) - 1}
	for i := 0; i < count; i++ {
		b.records = append(b.records, record{timestampDelta: int64(i), offsetDelta: int64(i),
			key: []byte(fmt.Sprintf("key-%d", i)), value: []byte(fmt.Sprintf("value-%d", i))})
	}
	return b
}

func (b *batch) from(producer int64, epoch int16, sequence int32) *batch {
	b.producer, b.epoch, b.sequence = producer, epoch, sequence
	return b
}

func (b *batch) with(codec kgo.CompressionCodecType) *batch {
	b.codec = codec
	return b
}

func (b *batch) at(ms int64) *batch {
	b.baseTimestamp, b.maxTimestamp = ms, ms+int64(b.count)-1
	return b
}

func (b *batch) sized(value int) *batch {
	for i := range b.records {
		b.records[i].value = bytes.Repeat([]byte{'v'}, value)
	}
	return b
}

func compress(codec kgo.CompressionCodecType, plain []byte) []byte {
	var choice kgo.CompressionCodec
	switch codec {
	case kgo.CodecGzip:
		choice = kgo.GzipCompression()
	case kgo.CodecSnappy:
		choice = kgo.SnappyCompression()
	case kgo.CodecLz4:
		choice = kgo.Lz4Compression()
	case kgo.CodecZstd:
		choice = kgo.ZstdCompression()
	default:
		return plain
	}
	compressor, err := kgo.DefaultCompressor(choice)
	if err != nil {
		panic(err)
	}
	packed, got := compressor.Compress(new(bytes.Buffer), plain)
	if got != codec {
		panic("compressor fell back")
	}
	return append([]byte{}, packed...)
}

func (b *batch) bytes() []byte {
	plain := b.payload
	if plain == nil {
		for _, rec := range b.records {
			plain = append(plain, rec.bytes()...)
		}
	}
	packed := b.packed
	if packed == nil {
		packed = compress(b.codec, plain)
	}
	raw := make([]byte, headerBytes, headerBytes+len(packed))
	binary.BigEndian.PutUint32(raw[12:], 0xffffffff)
	raw[16] = 2
	binary.BigEndian.PutUint16(raw[21:], uint16(b.attributes|int16(b.codec)))
	binary.BigEndian.PutUint32(raw[23:], uint32(b.lastDelta))
	binary.BigEndian.PutUint64(raw[27:], uint64(b.baseTimestamp))
	binary.BigEndian.PutUint64(raw[35:], uint64(b.maxTimestamp))
	binary.BigEndian.PutUint64(raw[43:], uint64(b.producer))
	binary.BigEndian.PutUint16(raw[51:], uint16(b.epoch))
	binary.BigEndian.PutUint32(raw[53:], uint32(b.sequence))
	binary.BigEndian.PutUint32(raw[57:], uint32(b.count))
	return seal(append(raw, packed...))
}

// Sets length and checksum to what the bytes say.
func seal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], castagnoli))
	return raw
}

// A message of format 0 or 1.
func oldMessage(magic byte) []byte {
	body := []byte{magic, 0}
	if magic == 1 {
		body = binary.BigEndian.AppendUint64(body, uint64(someTime))
	}
	body = append(body, 0, 0, 0, 1, 'k', 0, 0, 0, 1, 'v')
	message := make([]byte, 12, 40)
	binary.BigEndian.PutUint32(message[8:], uint32(len(body)+4))
	message = binary.BigEndian.AppendUint32(message, crc32.ChecksumIEEE(body))
	return append(message, body...)
}

func describeBatch(r *run, raw []byte) string {
	whole := int(binary.BigEndian.Uint32(raw[8:])) + 12
	crc := "good"
	if crc32.Checksum(raw[21:whole], castagnoli) != binary.BigEndian.Uint32(raw[17:]) {
		crc = "bad"
	}
	int64At := func(at int) int64 { return int64(binary.BigEndian.Uint64(raw[at:])) }
	producer := "none"
	if id := int64At(43); id >= 0 {
		producer = r.symbol("producer", id)
	}
	// What is compressed anew has the same records, and not the same bytes from every library.
	payload, size := raw[headerBytes:whole], fmt.Sprint(whole)
	if r.rebuilt {
		plain, err := kgo.DefaultDecompressor().Decompress(payload, kgo.CompressionCodecType(raw[22]&7))
		if err != nil {
			return err.Error()
		}
		payload, size = plain, "some"
	}
	sum := sha256.Sum256(payload)
	return fmt.Sprintf("offset %d bytes %s epoch %d magic %d crc %s attributes %x last %d "+
		"time %s..%s %s epoch %d sequence %d count %d payload %x", int64At(0)-r.offsetBase, size,
		int32(binary.BigEndian.Uint32(raw[12:])), raw[16], crc, raw[21:23],
		binary.BigEndian.Uint32(raw[23:]), clock(int64At(27)), clock(int64At(35)), producer,
		int16(binary.BigEndian.Uint16(raw[51:])), int32(binary.BigEndian.Uint32(raw[53:])),
		int32(binary.BigEndian.Uint32(raw[57:])), sum[:4])
}

func (r *run) seeBatches(path string, raw []byte, null bool) {
	if len(raw) == 0 {
		r.see(path, map[bool]string{true: "null", false: "empty"}[null])
		return
	}
	if !r.rebuilt {
		r.see(path+" bytes", len(raw))
	}
	for i := 0; len(raw) > 0; i++ {
		whole := headerBytes
		if len(raw) >= headerBytes {
			whole = int(binary.BigEndian.Uint32(raw[8:])) + 12
		}
		if len(raw) < whole {
			r.see(fmt.Sprintf("%s[%d]", path, i), fmt.Sprintf("cut after %d bytes", len(raw)))
			return
		}
		r.see(fmt.Sprintf("%s[%d]", path, i), describeBatch(r, raw))
		raw = raw[whole:]
	}
}
