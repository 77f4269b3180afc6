/* SPDX-License-Identifier: BSD-2-Clause */
/* Work items, delayed work, tasklets and kernel threads. Linux:
 * Documentation/core-api/workqueue.rst. */
#ifndef KMOD_LINUX_WORKQUEUE_H
#define KMOD_LINUX_WORKQUEUE_H

#include <linux/timer.h>

struct work_struct;
typedef void (*work_func_t)(struct work_struct *work);
struct workqueue_struct;

struct work_struct {
	struct list_head entry; /* in a queue's items; next is NULL if it is not queued */
	work_func_t func;
	struct workqueue_struct *wq; /* queue of the last queue_work() */
	u32 magic;
	u32 canceling;
};

struct delayed_work {
	struct work_struct work;
	struct timer_list timer;
	struct workqueue_struct *wq;
};

#define KMOD_WORK_MAGIC 0x776f726bu
#define WQ_UNBOUND	1
#define WQ_FREEZABLE	2
#define WQ_MEM_RECLAIM	4
#define WQ_HIGHPRI	8
extern struct workqueue_struct *system_wq;
void kmod_init_work(struct work_struct *w, work_func_t fn);
void kmod_init_delayed_work(struct delayed_work *w, work_func_t fn);
#define INIT_WORK(w, fn)	 kmod_init_work(w, fn)
#define INIT_DELAYED_WORK(w, fn) kmod_init_delayed_work(w, fn)
#define DECLARE_WORK(n, fn)	 struct work_struct n = {.func = fn, .magic = KMOD_WORK_MAGIC}
#define to_delayed_work(w)	 container_of(w, struct delayed_work, work)
struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...);
#define alloc_ordered_workqueue(fmt, flags, ...) alloc_workqueue(fmt, flags, 1, ##__VA_ARGS__)
#define create_singlethread_workqueue(name)	 alloc_workqueue("%s", 0, 1, name)
#define create_workqueue(name)			 alloc_workqueue("%s", 0, 1, name)
void destroy_workqueue(struct workqueue_struct *wq);
bool queue_work(struct workqueue_struct *wq, struct work_struct *w);
bool queue_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay);
bool mod_delayed_work(struct workqueue_struct *wq, struct delayed_work *w, unsigned long delay);
bool flush_work(struct work_struct *w);
bool cancel_work_sync(struct work_struct *w);
bool cancel_work(struct work_struct *w);
bool cancel_delayed_work(struct delayed_work *w);
bool cancel_delayed_work_sync(struct delayed_work *w);
bool flush_delayed_work(struct delayed_work *w);
void flush_workqueue(struct workqueue_struct *wq);
bool work_pending(struct work_struct *w);
#define schedule_work(w)	    queue_work(system_wq, w)
#define schedule_delayed_work(w, d) queue_delayed_work(system_wq, w, d)
#define delayed_work_pending(w)	    (work_pending(&(w)->work) || timer_pending(&(w)->timer))

struct tasklet_struct {
	struct list_head entry;
	void (*callback)(struct tasklet_struct *t);
	atomic_t disabled;
	u32 running;
};
void tasklet_setup(struct tasklet_struct *t, void (*fn)(struct tasklet_struct *t));
void tasklet_schedule(struct tasklet_struct *t);
void tasklet_kill(struct tasklet_struct *t);
void tasklet_disable(struct tasklet_struct *t);
void tasklet_enable(struct tasklet_struct *t);

#define TASK_COMM_LEN 16
struct task_struct {
	char comm[TASK_COMM_LEN];
	pid_t pid;
	int (*fn)(void *data);
	void *data;
	int result, should_stop, started;
	struct completion done;
	struct wait_queue_head wait;
	unsigned long thread;
};
struct task_struct *kmod_current(void);
#define current kmod_current()
struct task_struct *kthread_create(int (*fn)(void *data), void *data, const char *fmt, ...)
	__printf(3, 4);
#define kthread_create_on_node(fn, data, node, fmt, ...)                                           \
	kthread_create(fn, data, fmt, ##__VA_ARGS__)
#define kthread_bind_mask(t, m) ((void)(t), (void)(m))
#define kthread_run(fn, data, fmt, ...)                                                            \
	({                                                                                         \
		struct task_struct *__t = kthread_create(fn, data, fmt, ##__VA_ARGS__);            \
		if (!IS_ERR(__t))                                                                  \
			wake_up_process(__t);                                                      \
		__t;                                                                               \
	})
int wake_up_process(struct task_struct *t);
int kthread_stop(struct task_struct *t);
#define kthread_stop_put(t) kthread_stop(t)
bool kthread_should_stop(void);
#define get_task_struct(t) ((void)(t))
#define signal_pending(t)  ((void)(t), 0)

#endif
