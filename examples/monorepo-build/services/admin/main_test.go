package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/monorepo/shared/models"
	"example.com/monorepo/shared/utils"
)

func noEnv(string) (string, bool) { return "", false }

// admin runs the program and returns its output and its exit code.
func admin(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	code = run(context.Background(), args, noEnv, &out, &err)
	return out.String(), err.String(), code
}

// expect runs the program, which has to succeed and to print exactly that.
func expect(t *testing.T, want string, args ...string) {
	t.Helper()
	stdout, stderr, code := admin(args...)
	if code != exitOK || stderr != "" || stdout != want {
		t.Errorf("admin %q: exit code %d\n%sgot\n%swant\n%s", args, code, stderr, stdout, want)
	}
}

var dataFile = filepath.Join("testdata", "data.json")

func TestTablesFromAFile(t *testing.T) {
	for command, want := range map[string]string{
		"users list": `
ID     NAME          EMAIL            ROLE      SINCE
usr_1  Ada Lovelace  ada@example.com  admin     2024-03-01
usr_2  Zoë Example   zoe@example.com  customer  2024-03-02
`,
		"users list -role admin": `
ID     NAME          EMAIL            ROLE   SINCE
usr_1  Ada Lovelace  ada@example.com  admin  2024-03-01
`,
		"orders report": `
STATUS   ORDERS  ITEMS      TOTAL
paid          2      4  23.49 EUR
shipped       1     10   7000 JPY
`,
		"orders report -by user": `
USER          ORDERS  ITEMS      TOTAL
Ada Lovelace       1      3  18.99 EUR
Zoë Example        1      1   4.50 EUR
Zoë Example        1     10   7000 JPY
`,
		"jobs list": `
ID     KIND      STATE   ATTEMPTS  OUTCOME
job_1  invoice   failed       3/3  error: no luck
job_2  checksum  queued       0/3
`,
		"jobs list -state queued": `
ID     KIND      STATE   ATTEMPTS  OUTCOME
job_2  checksum  queued       0/3
`,
		"health": `
WHAT         VALUE
status          ok
users            2
orders           3
jobs failed      1
jobs queued      1
`,
	} {
		expect(t, want[1:], append([]string{"-file", dataFile}, strings.Fields(command)...)...)
	}
}

func TestJSONFromAFile(t *testing.T) {
	const want = `[
  {
    "group": "shipped",
    "orders": 1,
    "items": 10,
    "total": "7000 JPY"
  }
]
`
	stdout, _, code := admin("-file", dataFile, "-json", "orders", "report")
	if code != exitOK || !strings.HasSuffix(stdout, want[len("[\n"):]) {
		t.Errorf("exit code %d\n%s", code, stdout)
	}
	expect(t, "[]\n", "-file", dataFile, "-json", "users", "list", "-role", "nobody")
	for _, command := range []string{"users list", "orders report", "jobs list"} {
		expect(t, "[]\n", append([]string{"-file", "no-such-file", "-json"}, strings.Fields(command)...)...)
	}
}

func TestWhatIsAddedToAFileStays(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data.json")
	for _, args := range [][]string{
		{"users", "add", "-name", "Ada", "-email", "Ada@example.com", "-role", "support"},
		{"jobs", "add", "-kind", "checksum", "-payload", `{"text":"x"}`, "-attempts", "5"},
	} {
		if _, stderr, code := admin(append([]string{"-file", path}, args...)...); code != exitOK {
			t.Fatalf("%q: exit code %d: %s", args, code, stderr)
		}
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	data, err := models.DecodeDataset(file)
	if err != nil || len(data.Users) != 1 || len(data.Jobs) != 1 {
		t.Fatalf("%+v, %v", data, err)
	}
	if u := data.Users[0]; u.Email != "ada@example.com" || u.Role != models.RoleSupport || !utils.ValidID("usr", u.ID) {
		t.Errorf("user %+v", u)
	}
	if j := data.Jobs[0]; j.MaxAttempts != 5 || j.State != models.JobQueued {
		t.Errorf("job %+v", j)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestARefusedChangeLeavesTheFileAlone(t *testing.T) {
	before, err := os.ReadFile(dataFile)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "data.json")
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := admin("-file", path, "users", "add", "-name", "Eve", "-email", "ada@example.com")
	if code != exitFailed || !strings.Contains(stderr, "address ada@example.com is taken") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file changed: %v\n%s", err, after)
	}
}

func TestCommandsAskTheAPI(t *testing.T) {
	var request string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		request = strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		answers := map[string]any{
			"GET /users":           []models.User{{ID: "usr_1", Name: "Ada"}},
			"GET /jobs?state=done": []models.Job{{ID: "job_1", State: models.JobDone, Result: strings.Repeat("long ", 20)}},
			"GET /orders":          []models.Order{},
			"GET /healthz":         Health{Status: "ok", Uptime: "1s"},
			"POST /users":          models.User{ID: "usr_2", Name: "Bob"},
			"POST /jobs":           models.Job{ID: "job_2", Kind: "pause"},
		}
		utils.WriteJSON(w, http.StatusOK, answers[r.Method+" "+r.URL.RequestURI()])
	}))
	defer server.Close()
	for _, test := range []struct {
		args    []string
		request string
		want    string
	}{
		{[]string{"users", "list"}, "GET /users", "usr_1  Ada"},
		{[]string{"users", "add", "-name", "Bob", "-email", "b@c.d"}, `POST /users {"name":"Bob","email":"b@c.d","role":"customer"}`, "usr_2  Bob"},
		{[]string{"jobs", "list", "-state", "done"}, "GET /jobs?state=done", "long long long…\n"},
		{[]string{"jobs", "add", "-kind", "pause", "-payload", `{"for":"1s"}`}, `POST /jobs {"kind":"pause","payload":{"for":"1s"},"max_attempts":3}`, "job_2  pause"},
		{[]string{"orders", "report", "-by", "user"}, "GET /orders", "USER  ORDERS  ITEMS  TOTAL\n"},
		{[]string{"health"}, "GET /healthz", "uptime     1s\n"},
	} {
		stdout, stderr, code := admin(append([]string{"-api", server.URL}, test.args...)...)
		if code != exitOK || request != test.request || !strings.Contains(stdout, test.want) {
			t.Errorf("%q: exit code %d, request %s\n%s%s", test.args, code, request, stderr, stdout)
		}
	}
}

func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		args string
		code int
		want string
	}{
		{"", exitUsage, "admin: no command"},
		{"users", exitUsage, `unknown command "users"`},
		{"-colour users list", exitUsage, "not defined: -colour"},
		{"users list -colour", exitUsage, "not defined: -colour"},
		{"users list all", exitUsage, `unexpected argument "all"`},
		{"-api localhost health", exitUsage, "-api: \"localhost\" is not an http URL"},
		{"jobs add -kind k -payload {", exitUsage, "invalid value \"{\" for flag -payload"},
		{"jobs list -state lost", exitUsage, "-state lost: want queued"},
		{"orders report -by moon", exitUsage, "-by moon: want status or user"},
		{"-file main.go health", exitFailed, "main.go: read data set"},
		{"-h", exitOK, "orders report  sum up orders"},
		{"users add -h", exitOK, "-email address"},
	} {
		stdout, stderr, code := admin(strings.Fields(test.args)...)
		if code != test.code || stdout != "" || !strings.Contains(stderr, test.want) {
			t.Errorf("admin %s: exit code %d, want %d and %q\n%s%s", test.args, code, test.code, test.want, stdout, stderr)
		}
	}
}

func TestReportDoesNotOverflow(t *testing.T) {
	dear := models.Order{ID: "o", Status: models.OrderPaid, Lines: []models.Line{
		{SKU: "moon", Quantity: 1, Price: models.Money{Minor: 1<<63 - 1, Currency: "EUR"}},
	}}
	if rows, err := reportOrders([]models.Order{dear, dear}, byStatus); err == nil {
		t.Errorf("the sum is %v", rows)
	}
}
