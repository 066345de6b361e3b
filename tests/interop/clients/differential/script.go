// Scripts: what happens to a group or a transaction, line by line, as text.
//
//	# Heartbeat: a wrong generation @ Heartbeat 1-4
//	enter a
//	sync a
//	beat a gen=+1
//
// The first line names the script and the API whose versions it is run in; all other requests are
// of the newest version. A line is a verb, a slot (a member or producer of the script, with its
// own connection) and arguments. A verb with & in front does not wait for its answer; take does.
// Every script has a group and a transactional id of its own, so they run beside each other.
package main

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kmsg"
)

type script struct {
	name        string // without the version
	key         kmsg.Key
	first, last int16 // of versions; key is asked in each
	lines       []string
}

// A member or a producer.
type slot struct {
	name       string
	c          *conn
	id         string
	generation int32 // or member epoch
	producer   int64
	epoch      int16
	waits      kmsg.Request // whose answer was not taken yet
	label      string
	sent       int32
}

type arguments map[string]string

type scriptRun struct {
	*run
	group   string
	key     kmsg.Key
	version int16
	slots   map[string]*slot
	step    int
}

type verb struct {
	key  kmsg.Key
	make func(s *scriptRun, who *slot, with arguments) kmsg.Request
	// Learns from the answer; before it is observed.
	took func(s *scriptRun, who *slot, answer kmsg.Response)
}

var verbs = map[string]verb{}

var head = regexp.MustCompile(`^# (.*?)(?: @ (\w+)(?: (\d+)?(-)?(\d+)?)?)?$`)

func keyNamed(name string) kmsg.Key {
	for _, row := range served {
		if strings.EqualFold(row.key.Name(), name) {
			return row.key
		}
	}
	panic("no API " + name)
}

func newScript(title string) script {
	parts := head.FindStringSubmatch(title)
	if parts == nil {
		panic("not the first line of a script: " + title)
	}
	sc := script{name: parts[1], key: -1}
	if parts[2] == "" {
		return sc
	}
	row := rangeOf(keyNamed(parts[2]))
	sc.key, sc.first, sc.last = row.key, row.first, row.last
	if parts[3] != "" {
		sc.first = number[int16](parts[3])
		if parts[4] == "" {
			sc.last = sc.first
		}
	}
	if parts[5] != "" {
		sc.last = number[int16](parts[5])
	}
	return sc
}

// The scripts of a text, with empty lines between them.
func scriptsOf(text string) (all []script) {
	for _, block := range strings.Split(strings.TrimSpace(text), "\n\n") {
		lines := strings.Split(strings.TrimSpace(block), "\n")
		sc := newScript(lines[0])
		sc.lines = lines[1:]
		all = append(all, sc)
	}
	return all
}

func number[T int16 | int32 | int64](text string) T {
	value, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("not a number: " + text)
	}
	return T(value)
}

func (with arguments) text(name, fallback string) string {
	if value, there := with[name]; there {
		return strings.Trim(value, "'")
	}
	return fallback
}

// "null" or absent: none.
func (with arguments) textOrNone(name string) *string {
	if value, there := with[name]; there && value != "null" {
		return ptr(strings.Trim(value, "'"))
	}
	return nil
}

// "+1" and "-1" count from what would be there without.
func numberFor[T int16 | int32 | int64](with arguments, name string, fallback T) T {
	value, there := with[name]
	if !there {
		return fallback
	}
	if value[0] == '+' {
		return fallback + number[T](value[1:])
	}
	if value[0] == '~' {
		return fallback - number[T](value[1:])
	}
	return number[T](value)
}

// "null": nil; absent: the fallback.
func (with arguments) list(name string, fallback []string) []string {
	value, there := with[name]
	switch {
	case !there:
		return fallback
	case value == "null":
		return nil
	case value == "":
		return []string{}
	}
	list := strings.Split(value, ",")
	for i := range list {
		list[i] = strings.Trim(list[i], "'")
	}
	return list
}

// "+x" is another group of the same script.
func (s *scriptRun) named(name string) string {
	if strings.HasPrefix(name, "+") {
		return s.group + name
	}
	return name
}

// Of all that a broker lists only what this script has made.
func ownOf[T any](s *scriptRun, listed []T, name func(T) string) []T {
	own := []T{}
	for _, one := range listed {
		if name(one) == s.group || strings.HasPrefix(name(one), s.group+"+") {
			own = append(own, one)
		}
	}
	return own
}

func (s *scriptRun) groupOf(with arguments) string {
	return s.named(with.text("group", s.group))
}

// "@b" is the id of slot b.
func (s *scriptRun) idNamed(text string) string {
	if strings.HasPrefix(text, "@") {
		return s.slot(text[1:]).id
	}
	return text
}

func (s *scriptRun) slot(name string) *slot {
	if s.slots[name] == nil {
		s.slots[name] = &slot{name: name, generation: -1, producer: -1, epoch: -1}
	}
	return s.slots[name]
}

func (s *scriptRun) versionOf(key kmsg.Key, with arguments) int16 {
	newest := rangeOf(key).last
	if key == s.key {
		newest = s.version
	}
	return numberFor(with, "v", newest)
}

func (s *scriptRun) send(v verb, who *slot, with arguments, label string) {
	if who.c == nil {
		who.c = s.b.dial()
	}
	request := v.make(s, who, with)
	request.SetVersion(s.versionOf(v.key, with))
	who.waits, who.label = request, label
	who.sent = who.c.send(request)
}

func (s *scriptRun) receive(who *slot) kmsg.Response {
	request := who.waits
	if request == nil {
		panic("nothing to take for " + who.name)
	}
	who.waits = nil
	answer, err := who.c.receive(request)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", who.label, err))
	}
	if answer.correlation != who.sent {
		panic(fmt.Sprintf("%s: answer %d to request %d", who.label, answer.correlation, who.sent))
	}
	if !answer.exact {
		s.see(who.label+" encodes again to the same bytes", false)
	}
	return answer.response
}

func (s *scriptRun) take(who *slot, v verb, seen bool) kmsg.Response {
	response := s.receive(who)
	if v.took != nil {
		v.took(s, who, response)
	}
	if seen {
		s.seeValue(who.label, "", reflect.ValueOf(response).Elem())
	}
	return response
}

// Asks without observing.
func (s *scriptRun) quiet(name, who string, with arguments) kmsg.Response {
	s.send(verbs[name], s.slot(who), with, name)
	return s.take(s.slot(who), verbs[name], false)
}

func argumentsOf(words []string) arguments {
	with := arguments{}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		with[name] = value
	}
	return with
}

func verbOfRequest(request kmsg.Request) verb {
	for _, v := range verbs {
		if int16(v.key) == request.Key() {
			return v
		}
	}
	panic("no verb for it")
}

// One line; what needs several requests first.
func (s *scriptRun) line(text string) {
	s.step++
	words := strings.Fields(text)
	waits := !strings.HasPrefix(words[0], "&")
	name := strings.TrimPrefix(words[0], "&")
	label := fmt.Sprintf("%d %s", s.step, strings.ReplaceAll(text, "#", "no."))
	if special := specials[name]; special != nil {
		special(s, words[1:], label, waits)
		return
	}
	v, there := verbs[name]
	if !there {
		panic("no verb " + name)
	}
	who, with := "-", words[1:]
	if len(with) > 0 && !strings.Contains(with[0], "=") {
		who, with = with[0], with[1:]
	}
	s.send(v, s.slot(who), argumentsOf(with), label)
	if waits {
		s.take(s.slot(who), v, true)
	}
}

type special func(s *scriptRun, words []string, label string, waits bool)

var specials = map[string]special{}

func (s *scriptRun) close() {
	for _, who := range s.slots {
		if who.c != nil {
			who.c.c.Close()
		}
	}
}

func (sc script) play(r *run, group string, version int16) {
	s := &scriptRun{run: r, group: group, key: sc.key, version: version,
		slots: map[string]*slot{}}
	r.names = s.nameOf
	defer s.close()
	for _, line := range sc.lines {
		s.line(strings.TrimSpace(line))
	}
}

var generated = regexp.MustCompile(`-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// What stands for a member's id: the slot that has it, or what it is made of.
func (s *scriptRun) nameOf(id string) string {
	for _, name := range slices.Sorted(maps.Keys(s.slots)) {
		if s.slots[name].id == id && id != "" {
			return "id of " + name
		}
	}
	return generated.ReplaceAllString(id, "-<uuid>")
}

var scripts []script

// Every script in every version it asks for, as cases that may run beside each other. Those of
// Produce go first, and alone: Kafka puts verifications of requests that come at once into one of
// its own, and then answers all in the way of the first one's version.
func scriptCases() {
	for _, alone := range []bool{true, false} {
		for i, sc := range scripts {
			if (sc.key == kmsg.Produce) != alone {
				continue
			}
			for v := sc.first; v <= sc.last; v++ {
				name := "script " + sc.name
				if sc.key >= 0 {
					name = fmt.Sprintf("script v%d %s", v, sc.name)
				}
				cases = append(cases, testCase{name: name, script: sc.name, alone: alone,
					run: func(r *run) { sc.play(r, fmt.Sprintf("s%d-%d-%d", i, v, r.attempt), v) }})
			}
		}
	}
}

// So many ids lie in every partition of the internal topics.
const idsEverywhere = 1000

func isAway(code int16) bool {
	return code == 14 || code == 15 || code == 16 // Loading, not available, not here.
}

func (s *scriptRun) coordinatorsAreReady() bool {
	ids := make([]string, idsEverywhere)
	for i := range ids {
		ids[i] = fmt.Sprint("nobody-", i)
	}
	all := strings.Join(ids, ",")
	groups := s.quiet("describe", "a", arguments{"groups": all}).(*kmsg.DescribeGroupsResponse)
	txns := s.quiet("describet", "a", arguments{"txns": all}).(*kmsg.DescribeTransactionsResponse)
	ready := len(groups.Groups) == len(ids) && len(txns.TransactionStates) == len(ids)
	for _, group := range groups.Groups {
		ready = ready && !isAway(group.ErrorCode)
	}
	for _, txn := range txns.TransactionStates {
		ready = ready && !isAway(txn.ErrorCode)
	}
	return ready
}

// What all scripts use and none changes, and the internal topics: the first request for them has
// cases of its own.
func prepareScripts(sides [2]*broker) {
	for _, b := range sides {
		r := &run{b: b}
		r.topic("script-t", 4, nil)
		r.topic("script-u", 1, nil)
		r.topic("script-v", 2, nil)
		s := &scriptRun{run: r, group: "prepared", key: -1, slots: map[string]*slot{}}
		for _, kind := range []string{"0", "1"} {
			s.eventually("a coordinator", func() bool {
				found := s.quiet("find", "a", arguments{"type": kind}).(*kmsg.FindCoordinatorResponse)
				return found.Coordinators[0].ErrorCode == 0
			})
		}
		s.eventually("all coordinators have read their partitions", s.coordinatorsAreReady)
		s.close()
		r.close()
	}
}
