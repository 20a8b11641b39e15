/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* On the ingress of our TAP: what control writes there goes on as if received on the netdev. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 to_ifindex;

SEC("tc")
int ballast_punt(struct __sk_buff *skb)
{
	(void)skb;
	return bpf_redirect(to_ifindex, BPF_F_INGRESS);
}
