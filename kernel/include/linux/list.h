/* SPDX-License-Identifier: BSD-2-Clause */
/* Circular doubly linked lists and hash lists. Linux: Documentation/core-api/list.rst. */
#ifndef KMOD_LINUX_LIST_H
#define KMOD_LINUX_LIST_H

#include <linux/compiler.h>

#define LIST_POISON1 ((void *)0xdead000000000100UL)
#define LIST_POISON2 ((void *)0xdead000000000122UL)
#define LIST_HEAD_INIT(name)                                                                       \
	{                                                                                          \
		&(name), &(name)                                                                   \
	}
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)
static inline void INIT_LIST_HEAD(struct list_head *l)
{
	l->next = l->prev = l;
}
static inline void kmod_list_link(struct list_head *n, struct list_head *prev,
				  struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}
static inline void list_add(struct list_head *n, struct list_head *head)
{
	kmod_list_link(n, head, head->next);
}
static inline void list_add_tail(struct list_head *n, struct list_head *head)
{
	kmod_list_link(n, head->prev, head);
}
static inline void kmod_list_unlink(struct list_head *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
}
static inline void list_del(struct list_head *n)
{
	kmod_list_unlink(n);
	n->next = LIST_POISON1;
	n->prev = LIST_POISON2;
}
static inline void list_del_init(struct list_head *n)
{
	kmod_list_unlink(n);
	INIT_LIST_HEAD(n);
}
static inline int list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}
static inline void list_move(struct list_head *n, struct list_head *head)
{
	kmod_list_unlink(n);
	list_add(n, head);
}
static inline void list_move_tail(struct list_head *n, struct list_head *head)
{
	kmod_list_unlink(n);
	list_add_tail(n, head);
}
static inline int list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}
static inline int list_is_last(const struct list_head *n, const struct list_head *head)
{
	return n->next == head;
}
static inline void list_splice_init(struct list_head *list, struct list_head *head)
{
	struct list_head *first = list->next, *last = list->prev, *at = head->next;

	if (list_empty(list))
		return;
	first->prev = head;
	head->next = first;
	last->next = at;
	at->prev = last;
	INIT_LIST_HEAD(list);
}
#define list_splice_tail_init(list, head) list_splice_init(list, (head)->prev)
#define list_entry(p, t, m)		  container_of(p, t, m)
#define list_first_entry(h, t, m)	  list_entry((h)->next, t, m)
#define list_last_entry(h, t, m)	  list_entry((h)->prev, t, m)
#define list_first_entry_or_null(h, t, m) (list_empty(h) ? NULL : list_first_entry(h, t, m))
#define list_next_entry(p, m)		  list_entry((p)->m.next, __typeof__(*(p)), m)
#define list_prev_entry(p, m)		  list_entry((p)->m.prev, __typeof__(*(p)), m)
#define list_entry_is_head(p, h, m)	  (&(p)->m == (h))
#define list_for_each(p, h)		  for ((p) = (h)->next; (p) != (h); (p) = (p)->next)
#define list_for_each_safe(p, n, h)                                                                \
	for ((p) = (h)->next, (n) = (p)->next; (p) != (h); (p) = (n), (n) = (p)->next)
#define list_for_each_entry(p, h, m)                                                               \
	for ((p) = list_first_entry(h, __typeof__(*(p)), m); !list_entry_is_head(p, h, m);         \
	     (p) = list_next_entry(p, m))
#define list_for_each_entry_reverse(p, h, m)                                                       \
	for ((p) = list_last_entry(h, __typeof__(*(p)), m); !list_entry_is_head(p, h, m);          \
	     (p) = list_prev_entry(p, m))
#define list_for_each_entry_safe(p, n, h, m)                                                       \
	for ((p) = list_first_entry(h, __typeof__(*(p)), m), (n) = list_next_entry(p, m);          \
	     !list_entry_is_head(p, h, m); (p) = (n), (n) = list_next_entry(n, m))

#define HLIST_HEAD_INIT                                                                            \
	{                                                                                          \
		NULL                                                                               \
	}
#define HLIST_HEAD(name)   struct hlist_head name = {NULL}
#define INIT_HLIST_HEAD(h) ((h)->first = NULL)
static inline void INIT_HLIST_NODE(struct hlist_node *n)
{
	n->next = NULL;
	n->pprev = NULL;
}
static inline int hlist_unhashed(const struct hlist_node *n)
{
	return !n->pprev;
}
static inline int hlist_empty(const struct hlist_head *h)
{
	return !READ_ONCE(h->first);
}
static inline void hlist_add_head(struct hlist_node *n, struct hlist_head *h)
{
	n->next = h->first;
	if (h->first)
		h->first->pprev = &n->next;
	h->first = n;
	n->pprev = &h->first;
}
static inline void hlist_del_init(struct hlist_node *n)
{
	if (hlist_unhashed(n))
		return;
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	INIT_HLIST_NODE(n);
}
#define hlist_del(n)	     hlist_del_init(n)
#define hlist_entry(p, t, m) container_of(p, t, m)
#define hlist_entry_safe(p, t, m)                                                                  \
	({                                                                                         \
		__typeof__(p) __p = (p);                                                           \
		__p ? hlist_entry(__p, t, m) : NULL;                                               \
	})
#define hlist_for_each_entry(p, h, m)                                                              \
	for ((p) = hlist_entry_safe((h)->first, __typeof__(*(p)), m); p;                           \
	     (p) = hlist_entry_safe((p)->m.next, __typeof__(*(p)), m))
#define hlist_for_each_entry_safe(p, n, h, m)                                                      \
	for ((p) = hlist_entry_safe((h)->first, __typeof__(*(p)), m); (p) && ({                    \
									      (n) = (p)->m.next;   \
									      1;                   \
								      });                          \
	     (p) = hlist_entry_safe(n, __typeof__(*(p)), m))

#endif
