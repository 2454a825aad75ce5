// What the Go client of Flocker, which Kubernetes used, sees of an agent; each step is a line of JSON.
//
// Arguments: the host, its port, the address of a node, and the certificate of the authority, the user's key and certificate.
package main

import (
	"encoding/json"
	"log"
	"os"
	"strconv"

	flocker "github.com/ClusterHQ/flocker-go"
)

// tell prints what a step gave, or ends the program with why it failed.
func tell(step string, told interface{}, err error) {
	if err != nil {
		log.Fatalf("%s: %s", step, err)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"step": step, "told": told}); err != nil {
		log.Fatal(err)
	}
}

func main() {
	port, err := strconv.Atoi(os.Args[2])
	tell("port", port, err)
	client, err := flocker.NewClient(os.Args[1], port, os.Args[3], os.Args[4], os.Args[5], os.Args[6])
	tell("client", nil, err)
	node, err := client.GetPrimaryUUID()
	tell("node", node, err)
	made, err := client.CreateDataset("jam")
	tell("made", made, err)
	id, err := client.GetDatasetID("jam")
	tell("id", id, err)
	state, err := client.GetDatasetState(id)
	tell("state", state, err)
	moved, err := client.UpdatePrimaryForDataset(node, id)
	tell("moved", moved, err)
	if _, err := client.GetDatasetID("marmalade"); err == nil {
		log.Fatal("a dataset was found that nobody has made")
	}
}
