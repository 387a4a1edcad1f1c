package serving

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ticksPerSecond is USER_HZ, in which /proc counts: 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// usage is what /proc/PID/stat tells of a process.
type usage struct {
	parent   int
	own      float64 // utime+stime, seconds
	children float64 // cutime+cstime of those it has waited for, seconds
}

// parseStat reads the line of /proc/PID/stat; see proc(5). The command's name may hold
// anything, so that fields are counted from the last parenthesis.
func parseStat(line string) (usage, error) {
	end := strings.LastIndexByte(line, ')')
	fields := strings.Fields(line[end+1:])
	if end < 0 || len(fields) < 15 {
		return usage{}, fmt.Errorf("stat %q: too short", line)
	}
	var got [5]float64
	for k, place := range [5]int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		v, err := strconv.ParseFloat(fields[place], 64)
		if err != nil {
			return usage{}, fmt.Errorf("stat: %w", err)
		}
		got[k] = v
	}
	return usage{parent: int(got[0]), own: (got[1] + got[2]) / ticksPerSecond, children: (got[3] + got[4]) / ticksPerSecond}, nil
}

// CPUSeconds is the processor time a process has used, its children's apart.
func CPUSeconds(pid int) (float64, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	u, err := parseStat(string(line))
	return u.own, err
}

// familySeconds is the processor time of a process and its children, ended ones included.
func familySeconds(pid int) float64 {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	sum := 0.0
	for _, entry := range entries {
		id, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		u, err := parseStat(readText(fmt.Sprintf("/proc/%d/stat", id)))
		switch {
		case err != nil: // has ended
		case id == pid:
			sum += u.own + u.children
		case u.parent == pid:
			sum += u.own
		}
	}
	return sum
}

// residentMB is VmRSS of a process in units of 2^20 bytes.
func residentMB(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseRSS(string(status))
}

func parseRSS(status string) (float64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("status holds no VmRSS")
}
