/** The words of Learn: {key: [English, 简体中文]}. */
export const words = {
  "learn.lessons": ["Lessons", "课程"],
  "learn.solved": ["{count} solved", "已完成 {count} 题"],
  "learn.task": ["Task:", "任务："],
  "learn.check": ["Check", "检查"],
  "learn.passed": ["Solved.", "完成！"],
  "learn.not_yet": ["Not yet.", "还没有完成。"],
  "learn.hint": ["Hint:", "提示："],
  "learn.load": ["Take this network to Write", "把这个网络放进“编写”"],
  "learn.look": ["Look at it in {view}", "到“{view}”里看看"],
  "learn.back": ["Back", "上一步"],
  "learn.next": ["Next", "下一步"],
  "learn.step": ["{step} of {count}", "第 {step} 步，共 {count} 步"],
  "learn.to_lesson": ["To the lesson", "回到课程"],
  "learn.leave": ["Leave it", "离开课程"],
};
