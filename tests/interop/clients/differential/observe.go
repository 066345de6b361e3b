// What a case observed, flattened into path = text, with everything normalised that may differ
// between two correct brokers.
package main

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// One case on one broker.
type run struct {
	b       *broker
	c       *conn
	name    string
	seen    map[string]string
	order   []string
	symbols map[string]string
	// Where a shared partition ended when the case began: answers are compared from there on, so
	// that one broker's difference does not show again in every later case.
	offsetBase int64
	rebuilt    bool                   // Its batches are compressed anew by the broker.
	names      func(id string) string // Of members; nil: as they are.
	attempt    int                    // Of its script; each has a group of its own.
	side       int
	both       *twins
}

func (r *run) conn() *conn {
	if r.c == nil {
		r.c = r.b.dial()
	}
	return r.c
}

func (r *run) close() {
	if r.c != nil {
		r.c.c.Close()
		r.c = nil
	}
}

func (r *run) see(path string, what any) {
	text := fmt.Sprint(what)
	if r.seen == nil {
		return
	}
	for n := 2; ; n++ {
		if _, there := r.seen[path]; !there {
			break
		}
		path = fmt.Sprintf("%s#%d", strings.SplitN(path, "#", 2)[0], n)
	}
	r.seen[path] = text
	r.order = append(r.order, path)
}

// Asks without observing; whatever goes wrong ends the case.
func call[T kmsg.Response](r *run, request kmsg.Request) T {
	correlation := r.conn().send(request)
	answer, err := r.conn().receive(request)
	if err != nil {
		r.close()
		panic(fmt.Sprintf("%s v%d: %v", kmsg.NameForKey(request.Key()), request.GetVersion(), err))
	}
	if answer.correlation != correlation {
		panic(fmt.Sprintf("answer %d to request %d", answer.correlation, correlation))
	}
	return answer.response.(T)
}

// Asks and observes every field of the answer.
func ask[T kmsg.Response](r *run, label string, request kmsg.Request) T {
	correlation := r.conn().send(request)
	return takeAnswer[T](r, label, request, correlation)
}

func takeAnswer[T kmsg.Response](r *run, label string, request kmsg.Request, correlation int32) T {
	answer, err := r.conn().receive(request)
	if err != nil {
		r.close()
		panic(fmt.Sprintf("%s: %v", label, err))
	}
	if answer.correlation != correlation {
		panic(fmt.Sprintf("%s: answer %d to request %d", label, answer.correlation, correlation))
	}
	r.see(label+" header tag bytes", answer.tagBytes)
	r.see(label+" encodes again to the same bytes", answer.exact)
	r.seeValue(label, "", reflect.ValueOf(answer.response).Elem())
	return answer.response.(T)
}

// Sends bytes and observes that they are answered, or that the connection is closed.
func (r *run) seeFate(label string, bytes []byte) {
	c := r.b.dial()
	defer c.c.Close()
	c.write(bytes)
	frame, err := c.frame(3 * time.Second)
	switch {
	case err != nil:
		r.see(label, err)
	default:
		r.see(label, fmt.Sprintf("answered, correlation %x", frame[:4]))
	}
}

func (r *run) seeWait(label string, took time.Duration, full time.Duration) {
	switch {
	case took >= full*9/10:
		r.see(label, fmt.Sprintf("waited the full %v", full))
	case took < full*7/10:
		r.see(label, "answered at once")
	default:
		r.see(label, took)
	}
}

func (r *run) symbol(kind string, id any) string {
	key := fmt.Sprint(kind, id)
	if _, there := r.symbols[key]; !there {
		count := 1
		for other := range r.symbols {
			if strings.HasPrefix(other, kind) {
				count++
			}
		}
		r.symbols[key] = fmt.Sprintf("%s-%d", kind, count)
	}
	return r.symbols[key]
}

func (r *run) topicID(id uuid) string {
	if id == (uuid{}) {
		return "zero"
	}
	if name, there := r.b.named[id]; there {
		return "id(" + name + ")"
	}
	if id == stranger(id[1]) { // made up by a case
		return fmt.Sprintf("%x", id)
	}
	return "an id"
}

var nodeFields = regexp.MustCompile(`^(NodeID|ControllerID|Leader|LeaderID|Replicas|ISR|OfflineReplicas|AddingReplicas|RemovingReplicas|EligibleLeaderReplicas|LastKnownELR)$`)

// Where a broker listens and keeps its data.
var places = regexp.MustCompile(`127\.0\.0\.1:\d+|/tmp/[a-z]+-test-[^ ",]+`)

// A broker's clock: within minutes of now, which no case sends.
func clock(ms int64) string {
	if away := time.Since(time.UnixMilli(ms)).Abs(); away < 4*time.Minute {
		return "now"
	}
	return fmt.Sprint(ms)
}

func (r *run) normal(field string, v reflect.Value) string {
	switch field {
	case "ErrorCode", "ConfigErrorCode":
		if err := kerr.TypedErrorForCode(int16(v.Int())); err != nil {
			return fmt.Sprintf("%d %s", v.Int(), err.Message)
		}
	case "ProducerID":
		if v.Int() >= 0 {
			return r.symbol("producer", v.Int())
		}
	case "SessionID":
		if v.Int() > 0 {
			return r.symbol("session", v.Int())
		}
	case "BaseOffset":
		if v.Int() >= 0 {
			return fmt.Sprint(v.Int() - r.offsetBase)
		}
	case "HighWatermark", "LastStableOffset":
		if v.Int() >= r.offsetBase {
			return fmt.Sprint(v.Int() - r.offsetBase)
		}
	case "Host":
		if v.String() == r.b.host {
			return "HOST"
		}
	case "Port":
		if int32(v.Int()) == r.b.port {
			return "PORT"
		}
	case "MemberID", "LeaderID":
		if r.names != nil && v.Kind() == reflect.String {
			return fmt.Sprintf("%q", r.names(v.String()))
		}
	case "StartTimestamp":
		return clock(v.Int())
	case "ClusterID":
		if v.Kind() == reflect.String && len(v.String()) == 22 {
			return "a cluster id"
		}
	case "Timestamp", "LogAppendTime", "LastTimestamp":
		return clock(v.Int())
	case "Dir":
		if strings.HasPrefix(v.String(), "/") {
			return "a path"
		}
	case "TotalBytes", "UsableBytes":
		if v.Int() > 1<<20 {
			return "some"
		}
	case "Value":
		return fmt.Sprintf("%q", places.ReplaceAllString(v.String(), "PLACE"))
	case "ErrorMessage", "Documentation":
		if v.Len() > 0 {
			return "text"
		}
	case "FinalizedFeaturesEpoch":
		if v.Int() >= 0 {
			return "not negative"
		}
	}
	if nodeFields.MatchString(field) && v.CanInt() && int32(v.Int()) == r.b.node {
		return "NODE"
	}
	if v.Kind() == reflect.String {
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(v.Interface())
}

// The name of an element in its array: arrays of named things are compared as sets.
func (r *run) elementKey(index int, v reflect.Value) string {
	kind := v.Type().Name()
	if v.Kind() != reflect.Struct || strings.HasSuffix(kind, "Synonym") ||
		strings.HasSuffix(kind, "ErrorRecord") || strings.HasSuffix(kind, "AbortedTransaction") {
		return fmt.Sprint(index)
	}
	for _, field := range []string{"Topic", "Partition", "Name", "ApiKey", "ResourceName",
		"ProducerID", "TopicID", "Group", "MemberID", "TransactionalID", "Key"} {
		f := v.FieldByName(field)
		if !f.IsValid() {
			continue
		}
		if f.Kind() == reflect.Pointer {
			if f.IsNil() {
				continue
			}
			f = f.Elem()
		}
		if id, is := f.Interface().(uuid); is {
			return r.topicID(id)
		}
		if field == "Topic" && f.Len() == 0 && v.FieldByName("TopicID").IsValid() {
			continue
		}
		if field == "ApiKey" {
			return kmsg.NameForKey(int16(f.Int()))
		}
		if field == "ResourceName" {
			return fmt.Sprint(v.FieldByName("ResourceType").Interface(), " ", r.resource(f.String()))
		}
		return r.normal(field, f)
	}
	return fmt.Sprint(index)
}

// The broker's own id as the name of a config resource.
func (r *run) resource(name string) string {
	if name == fmt.Sprint(r.b.node) {
		return "NODE"
	}
	return name
}

func (r *run) seeStruct(path string, v reflect.Value) {
	for i := 0; i < v.NumField(); i++ {
		field := v.Type().Field(i).Name
		if tags, is := v.Field(i).Interface().(kmsg.Tags); is {
			if tags.Len() > 0 {
				r.see(path+".unknown tags", tags.Len())
			}
			continue
		}
		if field != "Version" {
			r.seeValue(path+"."+field, field, v.Field(i))
		}
	}
}

func (r *run) seeValue(path, field string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		r.seeStruct(path, v)
	case reflect.Pointer:
		if v.IsNil() {
			r.see(path, "null")
			return
		}
		r.seeValue(path, field, v.Elem())
	case reflect.Array:
		r.see(path, r.topicID(v.Interface().(uuid)))
	case reflect.Slice:
		r.seeSlice(path, field, v)
	default:
		if field == "ResourceName" {
			r.see(path, r.resource(v.String()))
			return
		}
		r.see(path, r.normal(field, v))
	}
}

func (r *run) seeSlice(path, field string, v reflect.Value) {
	if field == "RecordBatches" {
		r.seeBatches(path, v.Bytes(), v.IsNil())
		return
	}
	if v.IsNil() {
		r.see(path+" length", "none")
		return
	}
	if v.Type().Elem().Kind() == reflect.Uint8 {
		r.see(path, fmt.Sprintf("%q", v.Bytes()))
		return
	}
	r.see(path+" length", v.Len())
	sortSet(field, v)
	times := map[string]int{}
	for i := 0; i < v.Len(); i++ {
		key := r.elementKey(i, v.Index(i))
		times[key]++
		if times[key] > 1 {
			key = fmt.Sprintf("%s again %d", key, times[key])
		}
		r.seeValue(fmt.Sprintf("%s[%s]", path, key), field, v.Index(i))
	}
}

// Assignments and subscriptions are sets; Kafka tells them in the order of a hash table.
func sortSet(field string, v reflect.Value) {
	switch list := v.Interface().(type) {
	case []int32:
		if field == "Partitions" {
			slices.Sort(list)
		}
	case []string:
		if field == "SubscribedTopics" {
			slices.Sort(list)
		}
	}
}

func (r *run) seeAnswer(label string, response kmsg.Response) {
	r.seeValue(label, "", reflect.ValueOf(response).Elem())
}
