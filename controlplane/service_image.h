/* service_image.h - the parameters of one virtual service's object, put together and compared.
 *
 * Role     configuration and ids -> struct lb_service_params in one block, so that an unchanged
 *          service is recognised without asking its opaque object; the object from it
 * Threads  one
 * Memory   one heap block per image
 * Limits   as lb_service_build
 * Errors   create: -ENOMEM
 * Tests    tests/unit/test_reconcile.c
 */
#ifndef LB_SERVICE_IMAGE_H
#define LB_SERVICE_IMAGE_H

#include "lb/config.h"
#include "wanted.h"

/* Ports and servers follow in the same block. */
struct lb_service_image {
	struct lb_service_params params;
};

/* A scratch image that is used again for each service. */
struct lb_service_scratch {
	struct lb_service_image *image;
	size_t max_bytes;
};

/* The image of service `idx`, good until the next call; its epoch is 0. NULL: out of memory. */
struct lb_service_image *lb_service_image_fill(struct lb_service_scratch *scratch,
					       const struct lb_config *cfg,
					       const struct lb_wanted *wanted, uint32_t idx);

struct lb_service_image *lb_service_image_copy(const struct lb_service_image *image);

/* The object of this image, which takes the place of `old` (NULL: of nothing) and remembers what a
 * service without tracking has to. */
int lb_service_image_build(const struct lb_service_image *image, const struct lb_service *old,
			   uint64_t now_ms, struct lb_service **out, struct lb_error *err);

/* The epochs are left out. */
bool lb_service_image_equal(const struct lb_service_image *a, const struct lb_service_image *b);

#endif
