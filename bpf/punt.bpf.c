/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* On the ingress of our TAP: what control writes there goes on as if received on the netdev. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/types.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

const volatile __u32 to_ifindex;
const volatile __u32 is_generic;

SEC("tc")
int ballast_punt(struct __sk_buff *skb)
{
	/* In generic mode the XDP program sits behind this point and would give the frame to the
	 * worker again, for ever. It leaves a provider's tag with VLAN 0 alone, which nobody sends,
	 * and the kernel takes it off and goes on. One tag stays beside the frame where XDP does
	 * not see it; the second pushes it inside. */
	if (is_generic && (bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021AD), 0) != 0 ||
			   bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) != 0))
		return 2; /* TC_ACT_SHOT */
	return bpf_redirect(to_ifindex, BPF_F_INGRESS);
}
