#include "api_explain.h"

#include "api_inquiry.h"
#include "explain_json.h"
#include "query.h"

#include <netinet/in.h>
#include <string.h>

struct explain_request {
	struct lb_api_inquiry asked;
	struct lb_answer answers[LB_WORKERS_MAX];
	bool has_answered[LB_WORKERS_MAX];
	uint32_t n_answers;
};

static void on_report(struct lb_inquiry *q, const struct lb_report *report)
{
	struct explain_request *r = (struct explain_request *)q;

	r->answers[r->n_answers++] = report->answer;
	r->has_answered[report->worker] = true;
}

static void give_up_late(struct explain_request *r)
{
	uint32_t n = lb_dataplane_n_workers(lb_control_dataplane(r->asked.ctl)), i = 0;
	char detail[96];

	while (i < n && r->has_answered[i])
		i++;
	snprintf(detail, sizeof(detail), "worker %u has not answered for %u ms", i,
		 LB_INQUIRY_PATIENCE_MS);
	lb_api_inquiry_give_up(&r->asked, 504, detail, NULL);
}

static void on_end(struct lb_inquiry *q, enum lb_inquiry_end why)
{
	struct explain_request *r = (struct explain_request *)q;
	const struct lb_answer *a = lb_explain_decider(r->answers, r->n_answers);
	struct lb_names names = lb_api_inquiry_names(&r->asked);

	if (why == LB_INQUIRY_LATE) {
		give_up_late(r);
	} else if (!lb_api_inquiry_is_answered(&r->asked, why)) {
		return;
	} else if (a == NULL) {
		lb_api_inquiry_give_up(&r->asked, 503,
				       "a change has not reached every worker yet; ask again",
				       NULL);
	} else {
		lb_explain_json(&names, &q->query.question, a, &r->asked.body);
		lb_api_inquiry_answer(&r->asked);
	}
}

static void read_interface(const struct lb_config *cfg, const char *query, struct lb_question *q,
			   struct lb_error_list *errors)
{
	const char *words[LB_IFACES_MAX + 1] = {0};

	for (uint32_t i = 0; i < cfg->node.n_interfaces; i++)
		words[i] = cfg->node.interfaces[i].name;
	q->iface = (uint8_t)lb_query_word(query, "interface", words, 0, errors);
}

static void read_question(const struct lb_config *cfg, const char *query, struct lb_question *q,
			  struct lb_error_list *errors)
{
	static const char *const known[] = {"protocol",  "source", "destination", "tcp_flags",
					    "interface", "bytes",  NULL};
	static const char *const protocols[] = {"tcp", "udp", NULL};
	static const char *const flags[] = {"syn", "ack", "fin", "rst", NULL};
	static const uint8_t flag_bits[] = {0x02, 0x10, 0x11, 0x04};
	char value[LB_HTTP_VALUE_MAX];

	lb_query_check(query, known, errors);
	if (!lb_http_query_get(query, "protocol", value, sizeof(value)))
		lb_error_list_add(errors, "protocol", "must be one of: tcp, udp");
	q->proto = lb_query_word(query, "protocol", protocols, 0, errors) == 0 ? IPPROTO_TCP
									       : IPPROTO_UDP;
	lb_query_end(query, "source", &q->src, &q->sport_be, errors);
	lb_query_end(query, "destination", &q->dst, &q->dport_be, errors);
	q->tcp_flags = flag_bits[lb_query_word(query, "tcp_flags", flags, 0, errors)];
	q->ip_bytes = (uint16_t)lb_query_number(query, "bytes", LB_QUESTION_BYTES_MIN,
						LB_QUESTION_BYTES_MAX, 0, errors);
	read_interface(cfg, query, q, errors);
	if (errors->n == 0 && lb_addr_is_v4(&q->src) != lb_addr_is_v4(&q->dst))
		lb_error_list_add(errors, "destination",
				  "must be of the same address family as source");
}

void lb_api_explain(struct lb_control *ctl, struct lb_http_exchange *x)
{
	struct explain_request *r = lb_api_inquiry_create(ctl, x, sizeof(*r), LB_QUERY_EXPLAIN);
	struct lb_error_list errors;

	if (r == NULL)
		return;
	r->asked.inquiry.on_report = on_report;
	r->asked.inquiry.on_end = on_end;
	lb_error_list_init(&errors);
	read_question(lb_control_config(ctl), lb_http_exchange_head(x)->query,
		      &r->asked.inquiry.query.question, &errors);
	if (errors.n != 0)
		lb_api_inquiry_give_up(&r->asked, 400, "the query is not understood", &errors);
	else
		lb_api_inquiry_start(&r->asked);
}
