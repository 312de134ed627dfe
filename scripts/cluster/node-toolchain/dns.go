package main

import (
	"context"
	"flag"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/clientcmd"
)

const zone = ".svc.cluster.local"

// A names server's view of the cluster.
type names struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
}

// runNameServer answers for services, for the pods behind services without an address, and for the names of such pods.
// Everything else does not exist: the cluster has no way out.
//
//	cluster-dns --kubeconfig FILE --listen ADDRESS
func runNameServer() error {
	flags := flag.NewFlagSet("cluster-dns", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "how the API is reached")
	listen := flags.String("listen", "", "where questions come, by UDP")
	_ = flags.Parse(os.Args[1:])
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	informer := informers.NewSharedInformerFactory(client, 10*time.Minute)
	known := names{
		services: informer.Core().V1().Services().Lister(),
		slices:   informer.Discovery().V1().EndpointSlices().Lister(),
	}
	forever := context.Background().Done()
	informer.Start(forever)
	informer.WaitForCacheSync(forever)
	connection, err := net.ListenPacket("udp", *listen)
	if err != nil {
		return err
	}
	question := make([]byte, 1500)
	for {
		length, from, err := connection.ReadFrom(question)
		if err != nil {
			return err
		}
		if answer := known.answer(question[:length]); answer != nil {
			_, _ = connection.WriteTo(answer, from)
		}
	}
}

func (n names) answer(packet []byte) []byte {
	var asked dnsmessage.Message
	if asked.Unpack(packet) != nil || len(asked.Questions) == 0 {
		return nil
	}
	question := asked.Questions[0]
	answer := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: asked.ID, Response: true, Authoritative: true,
			RecursionDesired: asked.RecursionDesired, RecursionAvailable: true,
		},
		Questions: asked.Questions[:1],
	}
	addresses, isKnown := n.lookUp(question.Name.String())
	switch {
	case !isKnown:
		answer.RCode = dnsmessage.RCodeNameError
	case question.Type == dnsmessage.TypeA:
		for _, address := range addresses {
			if four := net.ParseIP(address).To4(); four != nil {
				header := dnsmessage.ResourceHeader{Name: question.Name, Class: dnsmessage.ClassINET, TTL: 2}
				body := &dnsmessage.AResource{A: [4]byte(four)}
				answer.Answers = append(answer.Answers, dnsmessage.Resource{Header: header, Body: body})
			}
		}
	}
	packed, err := answer.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// lookUp takes service.namespace.svc.cluster.local, with a pod's name in front where the service has no address.
func (n names) lookUp(name string) (addresses []string, isKnown bool) {
	rest, isOurs := strings.CutSuffix(strings.ToLower(strings.TrimSuffix(name, ".")), zone)
	parts := strings.Split(rest, ".")
	if !isOurs || len(parts) < 2 || len(parts) > 3 {
		return nil, false
	}
	host, own, namespace := "", parts[len(parts)-2], parts[len(parts)-1]
	if len(parts) == 3 {
		host = parts[0]
	}
	service, err := n.services.Services(namespace).Get(own)
	if err != nil {
		return nil, false
	}
	if service.Spec.ClusterIP != corev1.ClusterIPNone {
		return []string{service.Spec.ClusterIP}, host == ""
	}
	ofService := labels.SelectorFromSet(labels.Set{discoveryv1.LabelServiceName: own})
	slices, err := n.slices.EndpointSlices(namespace).List(ofService)
	if err != nil {
		return nil, false
	}
	for _, slice := range slices {
		for _, endpoint := range slice.Endpoints {
			isMeant := host == "" || (endpoint.Hostname != nil && *endpoint.Hostname == host)
			isReady := endpoint.Conditions.Ready == nil || *endpoint.Conditions.Ready
			if isMeant && (isReady || service.Spec.PublishNotReadyAddresses) {
				addresses = append(addresses, endpoint.Addresses...)
			}
		}
	}
	return addresses, host == "" || len(addresses) > 0
}
