/* SPDX-License-Identifier: BSD-2-Clause */
/* Trace points have no effect: every one is an empty inline function. */
#ifndef KMOD_LINUX_TRACEPOINT_H
#define KMOD_LINUX_TRACEPOINT_H
#endif
#define TP_PROTO(args...) args
#define TP_ARGS(args...)  args
#define TRACE_EVENT(name, proto, ...)                                                              \
	static inline void trace_##name(proto)                                                     \
	{                                                                                          \
	}
