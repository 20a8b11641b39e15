/* flood_bench - what is left for good clients of a full and flooded worker: no NIC, no root.
 *
 * Each row simulates FLOOD_SECONDS of one worker's time, and as long again as a client has
 * patience:
 * established connections, a flood from random sources, and good clients that open connections
 * meanwhile and repeat a first packet after 1, 3 and 7 s as TCP does. Time is simulated; only the
 * last column is this machine's. */
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "flood.h"

#define FLOOD_SECONDS 5u
#define K 1000u
#define M 1000000u
#define FULLNAT LB_FORWARD_FULLNAT
#define NAT LB_FORWARD_NAT
#define DSR LB_FORWARD_DSR
#define TCP IPPROTO_TCP
#define UDP IPPROTO_UDP

static const struct flood_plan plans[] = {
	{"fullnat tcp, room", FULLNAT, TCP, 200 * K, 50 * K, 10 * K, K, .rtt_ms = 100},
	{"fullnat tcp", FULLNAT, TCP, 200 * K, 100 * K, 100 * K, K, .rtt_ms = 100},
	{"fullnat tcp", FULLNAT, TCP, 200 * K, 100 * K, M, K, .rtt_ms = 100},
	{"fullnat tcp, 80 %", FULLNAT, TCP, 200 * K, 160 * K, M, K, .rtt_ms = 100},
	{"fullnat tcp, 80 %, 500 ms", FULLNAT, TCP, 200 * K, 160 * K, M, K, .rtt_ms = 500},
	{"fullnat udp", FULLNAT, UDP, 200 * K, 100 * K, M, K, .rtt_ms = 100},
	{"nat tcp", NAT, TCP, 200 * K, 100 * K, M, K, .rtt_ms = 100},
	{"dsr tcp", DSR, TCP, 100 * K, 160 * K, M, K, .rtt_ms = 100},
	{"dsr udp", DSR, UDP, 100 * K, 160 * K, M, K, .rtt_ms = 100},
	{"fullnat tcp, ports full", FULLNAT, TCP, 400 * K, 100 * K, M, K, .rtt_ms = 100,
	 .last_nat_port = 34999},
};

int main(void)
{
	printf("%-27s %8s %8s %9s %7s %7s  %8s %8s  %6s %9s %9s %9s  %7s\n", "flood", "capacity",
	       "in use", "flood/s", "good/s", "rtt ms", "served %", "1st try", "lost", "conns <=",
	       "evicted", "unproven", "ns/pkt");
	for (size_t i = 0; i < sizeof(plans) / sizeof(plans[0]); i++) {
		for (int is_answered = 0; is_answered < 2; is_answered++) {
			struct flood_plan plan = plans[i];
			struct flood_result r;
			double n;

			plan.seconds = FLOOD_SECONDS;
			plan.is_answered = is_answered;
			plan.seed = 1 + i;
			plan.first_nat_port = 15000;
			if (plan.last_nat_port == 0)
				plan.last_nat_port = 64999;
			if (is_answered && lb_forwarding_is_one_way((uint8_t)plan.forwarding))
				continue;
			flood_run(&plan, &r);
			n = (double)r.n_good / 100;
			printf("%-23s%4s %8u %8u %9u %7u %7u  %8.3f %8.3f  %6llu %9u %9llu %9llu  "
			       "%7.0f\n",
			       plan.name, is_answered ? " +a" : "", flood_capacity(&plan),
			       plan.n_established, plan.flood_per_s, plan.good_per_s, plan.rtt_ms,
			       (double)r.n_good_served / n, (double)r.n_good_at_once / n,
			       (unsigned long long)r.n_lost, r.n_conns_most,
			       (unsigned long long)r.n_evicted_embryonic,
			       (unsigned long long)r.n_unproven, r.ns_per_packet);
			fflush(stdout);
		}
	}
	return 0;
}
