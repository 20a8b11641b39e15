/* document_node.h - this machine's part of a document by itself.
 *
 * Role     what later documents are compared with for keys that need a restart
 * Shape    one function
 * Threads  any
 * Memory   a copy; lb_document_free
 * Limits   those of document.h
 * Errors   NULL: out of memory
 * Source   STYLE 2.7
 * Tests    tests/eal/test_ballastd.py
 */
#ifndef LB_DOCUMENT_NODE_H
#define LB_DOCUMENT_NODE_H

#include "config/document.h"

/* A document with only the `node` of `doc`, if it has one. */
struct lb_document *lb_document_copy_node(const struct lb_document *doc);

#endif
