package checker_test

import (
	"context"
	"fmt"

	"github.com/ordeal-dev/ordeal/checker"
	"github.com/ordeal-dev/ordeal/history"
)

// A test of another module records what its clients did and asks for a verdict. Times are on one monotonic clock.
func Example() {
	events := []history.Event{
		{Time: 10, Process: 3, Type: history.Invoke, F: "put", Key: "x", Input: history.Int(42)},
		{Time: 20, Process: 3, Type: history.OK, F: "put", Key: "x"},
		{Time: 30, Process: 4, Type: history.Invoke, F: "put", Key: "x", Input: history.Int(43)},
		{Time: 40, Process: 4, Type: history.OK, F: "put", Key: "x"},
		{Time: 50, Process: 7, Type: history.Invoke, F: "get", Key: "x"},
		{Time: 60, Process: 7, Type: history.OK, F: "get", Key: "x", Output: history.Int(42)},
	}
	for i := range events {
		events[i].Index = i
	}
	h, err := history.Join(events)
	if err != nil {
		fmt.Println(err)
		return
	}
	result := checker.Linearizable(checker.Register()).Check(context.Background(), h, checker.Options{})
	fmt.Println(result.Verdict)
	fmt.Println(result.Reason)
	fmt.Print(checker.Diagram(result.Keys[0].Evidence))
	// Output:
	// invalid
	// key "x": process 7 read 42 after process 4's write of 43 had returned
	// process 3  |put 42|
	// process 4          |put 43|
	// process 7                  |get -> 42|
}
