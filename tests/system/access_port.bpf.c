/* A switch's access port, on the outer end of a host's cable: what the host sends gets the tags of
 * the port's VLAN, what has them goes to the host without, all else does not. The build machine's
 * kernel has no VLAN devices, but tc runs programs. Compiled by the test with INNER, and with OUTER
 * for a VLAN in a VLAN. */
#include <linux/bpf.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#define TYPE_INNER 0x8100
#define TYPE_OUTER 0x88a8
#define ID_MASK 0xfff

static __always_inline int push(struct __sk_buff *skb, __u16 type, __u16 id)
{
	return bpf_skb_vlan_push(skb, bpf_htons(type), id) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
}

static __always_inline int pop(struct __sk_buff *skb, __u16 type, __u16 id)
{
	if (!skb->vlan_present || skb->vlan_proto != bpf_htons(type) ||
	    (skb->vlan_tci & ID_MASK) != id)
		return TC_ACT_SHOT;
	return bpf_skb_vlan_pop(skb) == 0 ? TC_ACT_OK : TC_ACT_SHOT;
}

SEC("from_host")
int tag(struct __sk_buff *skb)
{
	int verdict = push(skb, TYPE_INNER, INNER);

#ifdef OUTER
	if (verdict == TC_ACT_OK)
		verdict = push(skb, TYPE_OUTER, OUTER);
#endif
	return verdict;
}

SEC("to_host")
int untag(struct __sk_buff *skb)
{
	int verdict = TC_ACT_OK;

#ifdef OUTER
	verdict = pop(skb, TYPE_OUTER, OUTER);
#endif
	return verdict == TC_ACT_OK ? pop(skb, TYPE_INNER, INNER) : verdict;
}
