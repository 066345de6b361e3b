// Sends the same requests to two brokers and compares the answers field by field: Apache Kafka
// first, the broker under test second. What may differ by its nature (ids, ports, clocks) is
// normalised in observe.go; what differs on purpose stands in intended.go, each with its reason.
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"
)

// A test case: run once against each broker, both at the same time.
type testCase struct {
	name   string
	run    func(*run)
	script string // Of a script its name: it runs beside others,
	alone  bool   // but not this one.
}

var cases []testCase

func add(name string, body func(*run)) {
	cases = append(cases, testCase{name: name, run: body})
}

// What one broker showed in one case.
type result struct {
	seen   map[string]string
	order  []string
	broken string
}

func runCase(c testCase, b *broker, side int, both *twins, attempt int) (done result) {
	if c.script != "" {
		b = b.own()
	}
	r := &run{b: b, name: c.name, attempt: attempt, side: side, both: both, seen: map[string]string{}, symbols: map[string]string{}}
	defer r.close()
	defer func() {
		if problem := recover(); problem != nil {
			done.broken = fmt.Sprint(problem)
		}
		done.seen, done.order = r.seen, r.order
	}()
	c.run(r)
	return result{}
}

func onBoth(c testCase, sides [2]*broker, attempt int) (results [2]result) {
	var both sync.WaitGroup
	shared := &twins{waited: map[string]*waited{}}
	for i := range sides {
		both.Add(1)
		go func() {
			defer both.Done()
			results[i] = runCase(c, sides[i], i, shared, attempt)
		}()
	}
	both.Wait()
	return results
}

const attemptsMax = 6

// Of members that name themselves and such that a broker names, each broker hands out partitions in
// an order that the names it made up decide: only that may be different, and not every time.
func byChance(lines []string) bool {
	for _, line := range lines {
		if !strings.Contains(line, ".Assignment") {
			return false
		}
	}
	return len(lines) > 0
}

func settled(c testCase, sides [2]*broker) (results [2]result) {
	for attempt := range attemptsMax {
		results = onBoth(c, sides, attempt)
		table := &intendedTable{rows: intended, used: map[int]bool{}}
		if c.script == "" || !byChance(compare(c, sides, results, table)) {
			break
		}
	}
	return results
}

func value(r result, path string) string {
	if text, there := r.seen[path]; there {
		return text
	}
	return "(absent)"
}

// The differences of a case that no row of the table covers, and how many it covered.
func compare(c testCase, sides [2]*broker, results [2]result, table *intendedTable) (lines []string) {
	for i := range sides {
		if results[i].broken != "" {
			lines = append(lines, fmt.Sprintf("%s: %s", sides[i].name, results[i].broken))
		}
	}
	paths := append([]string{}, results[0].order...)
	for _, path := range results[1].order {
		if _, there := results[0].seen[path]; !there {
			paths = append(paths, path)
		}
	}
	for _, path := range paths {
		a, b := value(results[0], path), value(results[1], path)
		if a != b && !table.covers(c.name, path, b) {
			lines = append(lines, fmt.Sprintf("%s: %s %s, %s %s", path, sides[0].name, a,
				sides[1].name, b))
		}
	}
	return lines
}

func dump(c testCase, results [2]result) {
	for i, r := range results {
		paths := append([]string{}, r.order...)
		sort.Strings(paths)
		for _, path := range paths {
			fmt.Printf("# [%d] %s = %s\n", i, path, r.seen[path])
		}
	}
}

func report(number int, c testCase, lines []string, took time.Duration) {
	verdict := "ok"
	if len(lines) > 0 {
		verdict = "not ok"
	}
	note := ""
	if took > 2*time.Second {
		note = fmt.Sprintf(" (%.1f s)", took.Seconds())
	}
	fmt.Printf("%s %d - %s%s\n", verdict, number, c.name, note)
	for i, line := range lines {
		if i == 40 {
			fmt.Printf("# and %d more\n", len(lines)-i)
			break
		}
		fmt.Printf("# %s\n", strings.ReplaceAll(line, "\n", " "))
	}
}

type finished struct {
	c       testCase
	results [2]result
	took    time.Duration
}

const scriptsAtOnce = 64 // Most wait.

// One after the other; scripts come last, most of them many at once.
func runAll(chosen []testCase, sides [2]*broker, told func(finished)) {
	one := func(c testCase) finished {
		start := time.Now()
		results := settled(c, sides)
		return finished{c, results, time.Since(start)}
	}
	done := make(chan finished)
	room := make(chan bool, scriptsAtOnce)
	var all sync.WaitGroup
	var prepared sync.Once
	for _, c := range chosen {
		if c.script != "" {
			prepared.Do(func() { prepareScripts(sides) })
		}
		if c.script == "" || c.alone {
			told(one(c))
			continue
		}
		all.Add(1)
		go func() {
			defer all.Done()
			room <- true
			done <- one(c)
			<-room
		}()
	}
	go func() {
		all.Wait()
		close(done)
	}()
	for result := range done {
		told(result)
	}
}

func main() {
	only := flag.String("only", "", "run only cases whose name matches this expression")
	show := flag.Bool("dump", false, "print everything that was observed")
	twice := flag.Bool("oracle-twice", false, "both brokers are Kafka: nothing may differ")
	flag.Parse()
	scriptCases()
	if flag.NArg() != 2 {
		fmt.Fprintln(os.Stderr, "usage: differential [flags] KAFKA-HOST:PORT OTHER-HOST:PORT")
		os.Exit(2)
	}
	names := [2]string{"kafka", "millrace"}
	table := &intendedTable{rows: intended, used: map[int]bool{}}
	if *twice {
		names = [2]string{"kafka", "kafka too"}
		table.rows = nil
	}
	sides := [2]*broker{newBroker(names[0], flag.Arg(0)), newBroker(names[1], flag.Arg(1))}
	wanted := regexp.MustCompile(*only)
	var chosen []testCase
	for _, c := range cases {
		if wanted.MatchString(c.name) {
			chosen = append(chosen, c)
		}
	}
	number, failed := 0, 0
	seen := newReachedTable()
	runAll(chosen, sides, func(done finished) {
		number++
		lines := compare(done.c, sides, done.results, table)
		if len(lines) > 0 {
			failed++
		}
		seen.look(done.c, done.results)
		report(number, done.c, lines, done.took)
		if *show {
			fmt.Printf("# took %v\n", done.took)
			dump(done.c, done.results)
		}
	})
	if *only == "" && !*twice {
		number++
		stale := table.stale()
		if len(stale) > 0 {
			failed++
		}
		report(number, testCase{name: "every row of the table of intended differences is needed"},
			stale, 0)
	}
	if *only == "" || *only == "^script" {
		number++
		missing := seen.missing()
		if len(missing) > 0 {
			failed++
		}
		report(number, testCase{name: "every error of groups and transactions is reached"}, missing, 0)
	}
	fmt.Printf("1..%d\n", number)
	if failed > 0 {
		os.Exit(1)
	}
}

func init() {
	connectionCases()
	apiVersionsCases()
	metadataCases()
	topicPartitionsCases()
	createTopicsCases()
	deleteTopicsCases()
	createPartitionsCases()
	produceCases()
	produceBatchCases()
	idempotenceCases()
	fetchCases()
	fetchSizeCases()
	sessionCases()
	listOffsetsCases()
	epochCases()
	producerIDCases()
	deleteRecordsCases()
	describeConfigsCases()
	alterConfigsCases()
	configValueCases()
	clusterCases()
	reassignCases()
}
