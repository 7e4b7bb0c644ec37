"""Entries of kernels: the head of the function that is called, on a CPU and on a GPU."""

ONE_AFTER_ANOTHER = """
define void @fit(i64 %begin, i64 %end, ptr noalias %leaves, ptr noalias %offset, ptr noalias %count, ptr noalias %out,
    ptr noalias %left, ptr noalias %scratch, i64 %room, i64 %threads) {
entry:"""

THREAD = """
define internal void @one(i64 %begin, i64 %end, i64 %thread, i64 %threads, ptr noalias %leaves, ptr noalias %offset,
    ptr noalias %count, ptr noalias %out, ptr noalias %left, ptr noalias %scratch, i64 %room) alwaysinline {
entry:"""

GRID = """
declare i32 @llvm.nvvm.read.ptx.sreg.tid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
declare i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()

define ptx_kernel void @fit(i64 %begin, i64 %end, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left,
    ptr %scratch, i64 %room) {
  %tid = call i32 @llvm.nvvm.read.ptx.sreg.tid.x()
  %ntid = call i32 @llvm.nvvm.read.ptx.sreg.ntid.x()
  %block = call i32 @llvm.nvvm.read.ptx.sreg.ctaid.x()
  %first = mul i32 %block, %ntid
  %index = add i32 %first, %tid
  %thread = zext i32 %index to i64
  %threads = sub i64 %end, %begin
  %b = add i64 %begin, %thread
  %b1 = add i64 %b, 1
  %inside = icmp slt i64 %b, %end
  br i1 %inside, label %work, label %done
work:
  call void @one(i64 %b, i64 %b1, i64 %thread, i64 %threads, ptr %leaves, ptr %offset, ptr %count, ptr %out, ptr %left,
    ptr %scratch, i64 %room)
  br label %done
done:
  ret void
}"""
